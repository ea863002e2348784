// The consent tone in the configuration: what is taken, and what is said of the rest.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkConfig, loadConfig } from './config.ts';
import { loadConsentTone } from './consent-tone.ts';
import { buildWav } from './testing/wav.ts';

const TABLE = '[recording.consent-tone]\n';

function load(t: Test, lines: string) {
  const directory = t.testdir({
    'tone.wav': buildWav({ data: Buffer.alloc(2 * 16_000) }),
    'stereo.wav': buildWav({ channels: 2, data: Buffer.alloc(64) }),
  });
  const file = join(directory, 'grec.toml');
  writeFileSync(file, TABLE + lines);
  return loadConsentTone(loadConfig({ file, env: { HOME: directory } }));
}

t.test('relative to the configuration, with its defaults', async (t) => {
  t.match(load(t, 'file = "tone.wav"'), { parties: 'all', intervalMs: 30_000, isRecorded: false });
  const lines = 'file = "tone.wav"\nparties = "customer"\ninterval = 2000\nrecord = true';
  t.match(load(t, lines), { parties: 'customer', intervalMs: 2000, isRecorded: true });
  t.equal(loadConsentTone(loadConfig({ env: { HOME: t.testdir() }, uid: 1 })), undefined);
});

t.test('a file that cannot be played, and an interval that it does not fit in', async (t) => {
  const refused = (lines: string, message: RegExp) =>
    t.throws(() => load(t, lines), { code: 'CONFIG_INVALID', message }, `${message}`);
  refused(
    'file = "none.wav"',
    /grec\.toml: recording\.consent-tone\.file: cannot read the sound .*none\.wav: ENOENT/,
  );
  refused(
    'file = "stereo.wav"',
    /consent-tone\.file: cannot play the sound .*stereo\.wav: it has 2 channels/,
  );
  refused(
    'file = "tone.wav"\ninterval = 1500',
    /interval: .*tone\.wav lasts 2000 ms, and would begin again after 1500/,
  );
});

t.test('mistakes, with line and key', async (t) => {
  const problems = (lines: string) =>
    checkConfig(TABLE + lines).problems.map(({ line, key, message }) => ({
      line,
      key: key.slice(23),
      message,
    }));
  t.match(problems('file = "x"\ninterval = 1499'), [
    { line: 3, key: 'interval', message: /whole number of milliseconds from 1500 to 3600000/ },
  ]);
  t.match(problems('file = "x"\nparties = "both"'), [
    { line: 3, key: 'parties', message: /"all", "agent", "customer"/ },
  ]);
  t.match(problems('file = ""'), [{ line: 2, key: 'file', message: /not an empty string/ }]);
  t.match(problems('interval = 2000'), [{ line: 2, key: 'interval', message: /needs file beside it/ }]);
  t.match(problems('file = "x"\n[media]\nengine = "rtpengine"'), [
    { line: 2, key: 'file', message: /grec-mediad/ },
  ]);
  t.match(problems('file = "x"\nvolume = 3'), [{ line: 3, key: 'volume', message: /unknown key/ }]);
});
