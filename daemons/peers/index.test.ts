// From what two people say to what is found: a call with real speech, the daemons, PocketSphinx, and `grec find`; the indexer killed.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { hasPocketSphinx } from '../../src/speech/pocketsphinx.ts';
import { loadVoice, type Speaker } from '../../src/testing/dialogue.ts';
import { install } from './installation.ts';
import { connect, newPhone } from './phones.ts';

const GREC = join(import.meta.dirname, '..', '..', 'bin', 'grec.ts');
const run = promisify(execFile);

t.test('a spoken word is found, with who said it and when', { skip: !hasPocketSphinx() }, async (t) => {
  const installation = await install({ index: 'transcriber = "auto"', mediaPorts: 20 });
  t.teardown(() => installation.stop());
  const grec = async (...argv: string[]) =>
    (await run(process.execPath, [GREC, '--config', installation.configFile, ...argv])).stdout;
  const customer = await newPhone(t, installation, { number: '7002' });
  const agent = await newPhone(t, installation, { number: '7001', record: true });
  const [out, into] = await connect(customer, agent);
  // "Hello. I booked a ferry for Friday, but I want to sail on Sunday", and the agent's greeting, from the same moment on.
  const phrase = (speaker: Speaker, from: number, to: number) =>
    loadVoice(speaker).mulaw.slice(from * 8000, to * 8000);
  await Promise.all([out.speak(phrase('customer', 3.4, 8.4)), into.speak(phrase('agent', 0.2, 3.4))]);
  await out.hangup();
  const [recording] = await installation.recordings(1);
  const index = () =>
    installation.ask<{ pid: number; waiting?: number; recordings?: number; engine?: unknown }>(
      'grec-procd',
      'GET',
      '/index',
    );
  // At whatever it does just now.
  process.kill((await index()).pid, 'SIGKILL');
  await installation.until('it is indexed', async () => {
    const { recordings, waiting } = await index().catch(() => ({ recordings: 0, waiting: 1 }));
    return recordings === 1 && waiting === 0 ? true : undefined;
  });
  const found = JSON.parse(await grec('find', 'sunday', '--party', 'customer', '--dn', '7001', '--json'));
  t.match(found, [{ id: recording?.id, caller: '7002', party: 'customer', matches: ['sunday'] }]);
  t.ok(
    found[0].from < 2500 && found[0].to > 4000 && found[0].to < 8000,
    `${found[0].from} to ${found[0].to}`,
  );
  t.match(
    await grec('transcript', 'last'),
    /^phrases that pocketsphinx en-us .* spotted: no transcript\n.*sunday/s,
  );
  const shown = JSON.parse(await grec('show', 'last', '--json'));
  t.match(shown.analytics.parties, [
    { role: 'agent', number: '7001', turns: 1 },
    { role: 'customer', number: '7002', turns: 1 },
  ]);
  t.match(await grec('status'), /index waiting 0, index failed 0, transcriber pocketsphinx/);
  t.equal((await grec('verify', '--all', '-q')).trim(), '', 'the archive is what it was');
});
