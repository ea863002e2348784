// `grec transcript`: what was said, in three formats; a corrected one stands beside it and is shown instead.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { serveControl } from '../control.ts';
import { idOf, NO_TRANSCRIBER } from '../index/fixtures/recordings.ts';
import { indexedState } from './fixtures/indexed.ts';
import { FAILED_ID, grec, stateWithRecordings } from './fixtures/state.ts';

const ONE = [{ id: idOf(1) }];
const VTT = 'WEBVTT\n\n00:00:00.600 --> 00:00:01.900\nI said \u001b[31m Tschüß &amp; goodbye\n';
const engine = (command: string[]) => ({
  transcription: { ...NO_TRANSCRIBER, transcriber: 'command' as const, command, model: 'm' },
});
const saying = (text: string) => engine(['/bin/sh', '-c', `cat <<'END'\n${text}\nEND`]);

t.test('as text, as WebVTT, as JSON; each is noted in the audit log', async (t) => {
  const state = await indexedState(t, ONE, saying(VTT));
  const text = await grec(state, ['transcript', 'last']);
  t.equal(
    text.out,
    `transcript by sh m
0:00  agent 7001: I said \ufffd[31m Tschüß & goodbye
0:04  customer 5551234: I said \ufffd[31m Tschüß & goodbye
`,
  );
  const vtt = (await grec(state, ['transcript', 'last', '--format', 'vtt'])).out;
  t.match(
    vtt,
    /^WEBVTT\n\nNOTE transcript: sh m\n\n00:00:00\.\d{3} --> 00:00:01\.\d{3}\n<v agent 7001>I said .* Tschüß &amp; goodbye\n\n/,
  );
  const json = JSON.parse((await grec(state, ['transcript', 'last', '--json'])).out);
  t.match(json, {
    recording: idOf(1),
    engine: { engine: 'sh', kind: 'transcript' },
    passages: [{ channel: 0 }, { channel: 1 }],
  });
  t.match((await grec(state, ['audit', '--what', 'show'])).out, /transcript=vtt/);
});

t.test('a corrected one, by the voices or by the times of its cues', async (t) => {
  const state = await indexedState(t, ONE, saying(VTT));
  const asked: unknown[] = [];
  const server = await serveControl(join(state.directory, 'state', 'run', 'procd.sock'), {
    'POST /index/redo': ({ body }) => asked.push(body) && { count: 1 },
  });
  t.teardown(() => server.close());
  const file = join(state.directory, 'mine.vtt');
  const cues =
    '00:00.500 --> 00:02.000\n<v customer 5551234>Good-bye\n\n00:00.700 --> 00:02.000\nno voice\n\n00:00.700 --> 00:02.000\n<v agent>of a role\n';
  writeFileSync(file, `WEBVTT\n\n${cues}`);
  const { code, err } = await grec(state, ['transcript', 'last', '--correct', file]);
  t.match([code, err], [0, /corrected: 3 passages/]);
  t.same(asked, [{ which: { id: idOf(1) } }]);
  const { passages, by } = JSON.parse((await grec(state, ['transcript', 'last', '--json'])).out);
  t.type(by, 'string');
  t.match(passages, [
    { channel: 1, role: 'customer', text: 'Good-bye' },
    { channel: 0, role: 'agent', text: 'no voice' },
    { channel: 0, role: 'agent', number: '7001', text: 'of a role' },
  ]);
  t.match((await grec(state, ['transcript', 'last'])).out, /corrected by /);
  t.match((await grec(state, ['transcript', 'last', '--original'])).out, /Tschüß/);
  t.match((await grec(state, ['audit'])).out, /correct/);
});

t.test('what is none says why', async (t) => {
  const none = await indexedState(t, ONE);
  t.match(await grec(none, ['transcript', 'last']), {
    code: 3,
    err: /no transcript: nothing was there to transcribe it\n.*grec.* index/,
  });
  const broken = await indexedState(t, ONE, engine(['/bin/false']));
  t.match(
    (await grec(broken, ['transcript', 'last'])).err,
    /no transcript: \/bin\/false failed: it ended with 1/,
  );
  const failed = stateWithRecordings(t);
  t.match(await grec(failed, ['transcript', FAILED_ID]), { code: 3, err: /not looked into yet/ });
  t.match(await grec(failed, ['transcript', FAILED_ID, '--correct', 'x.vtt']), {
    code: 1,
    err: /has no audio/,
  });
  t.equal((await grec(failed, ['transcript', 'nothing-here'])).code, 3);
  t.equal((await grec(failed, ['transcript', 'last', '--format', 'doc'])).code, 2);
  const file = join(none.directory, 'no.vtt');
  for (const text of ['', 'WEBVTT\n', '{}']) {
    writeFileSync(file, text);
    t.match(await grec(none, ['transcript', 'last', '--correct', file]), {
      code: 2,
      err: /is no WebVTT with cues/,
    });
  }
  t.match(await grec(none, ['transcript', 'last', '--correct', '/no/such']), { code: 2, err: /cannot read/ });
  writeFileSync(file, VTT);
  const offline = await grec(none, ['transcript', 'last', '--correct', file]);
  t.match(offline, { code: 0, err: /not found yet: grec-procd is not running.*index rebuild/ });
  t.match((await grec(none, ['transcript', 'last'])).out, /^transcript by hand, corrected by/);
  const damaged = join(none.directory, 'state', 'transcripts', '01', `${idOf(1)}.corrected.json`);
  t.match(readFileSync(damaged, 'utf8'), 'hand');
  writeFileSync(damaged, '{"version":7}');
  t.match(await grec(none, ['transcript', 'last']), { code: 1, err: /cannot read the transcript/ });
});
