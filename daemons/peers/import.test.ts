// Captures of real tools (dumpcap, converted by editcap and tshark) of real calls become recordings, sample by sample.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { silentLogger } from '../../src/log.ts';
import { MULAW_TO_LINEAR } from '../../src/rtp/g711.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { createPhone, type Phone } from '../../src/testing/phone.ts';
import { freePort, install, readChannels } from './installation.ts';
import { CARRIER, linear, placeCalls } from './recorded-calls.ts';
import { noSipp } from './sipp.ts';
import { noWitness } from './witness.ts';

const GREC = join(import.meta.dirname, '..', '..', 'bin', 'grec.ts');
const skip = noWitness || noSipp;
const directory = mkdtempSync(join(tmpdir(), 'grec-import-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const installation = await install({ toml: CARRIER });
t.teardown(() => installation.stop());

/** Captures what passes on loopback; resolves when it does. What ends it waits until all of it is in the file. */
async function capture(name: string, filter: string, port: number): Promise<() => Promise<string>> {
  const file = join(directory, name);
  const dumpcap = spawn('dumpcap', ['-i', 'lo', '-f', filter, '-B', '64', '-w', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(dumpcap, 'close');
  for await (const line of createInterface({ input: dumpcap.stderr })) if (line.startsWith('File:')) break;
  dumpcap.stderr.resume();
  return async () => {
    await untilCaptured(file, port);
    dumpcap.kill('SIGINT');
    await closed;
    return file;
  };
}

/** A packet of our own that shows in the file comes after all that was sent before it. */
async function untilCaptured(file: string, port: number): Promise<void> {
  const socket = createSocket('udp4');
  const token = randomBytes(16);
  do {
    socket.send(token, port, '127.0.0.1');
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (!readFileSync(file).includes(token));
  socket.close();
}

interface Imported {
  recordings: { recording: string; result: string; state: string | null; callIds: string[] }[];
}

/** Runs the command as an operator does. */
function grecImport(...argv: string[]): { status: number | null; report: Imported; said: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [GREC, '--config', installation.configFile, 'import', '--json', ...argv],
    { encoding: 'utf8' },
  );
  return { status, said: stderr, report: stdout === '' ? { recordings: [] } : JSON.parse(stdout) };
}

async function channelsOf(recording: string): Promise<[Int16Array, Int16Array]> {
  const rows = await installation.recordings(1);
  const path = rows.find(({ id }) => id === recording)?.path;
  if (!path) throw new Error(`nothing is archived of ${recording}`);
  return readChannels(join(installation.config.paths.archive, path, 'audio.wav'));
}

const noise = (seed: string) =>
  Buffer.concat(Array.from({ length: 250 }, (_, at) => createHash('sha256').update(`${seed}${at}`).digest()));
const samples = (bytes: Buffer) => Int16Array.from(bytes, (byte) => MULAW_TO_LINEAR[byte] ?? 0);

t.test('two phones that know nothing of grec, captured by dumpcap', { skip }, async (t) => {
  const registrar = { host: '127.0.0.1', port: await freePort(), protocol: 'udp' as const };
  const make = async (number: string): Promise<Phone> => {
    const phone = await createPhone({
      number,
      registrar,
      listenHost: '127.0.0.1',
      log: silentLogger(),
      encodings: ['PCMU'],
    });
    t.teardown(() => phone.close());
    return phone;
  };
  const [alice, bob] = [await make('4711'), await make('4712')];
  const port = Number(bob.contact.split(':').at(-1));
  const stop = await capture('phones.pcapng', `udp and (port ${port} or portrange 32768-60999)`, port);
  const call = await alice.call(bob.contact);
  const other = await bob.nextCall();
  await call.outcome;
  const [ofAlice, ofBob] = [noise('alice'), noise('bob')];
  await Promise.all([call.speak(ofAlice), other.speak(ofBob)]);
  await call.hangup();
  await other.ended;
  const file = await stop();
  const mine = ({ recordings }: Imported) =>
    recordings.filter(({ callIds }) => callIds.includes(call.callId));

  t.match(mine(grecImport('--dry-run', file).report), [{ result: 'found', state: null }]);
  const { status, report, said } = grecImport('--agent', '4712', file);
  t.equal(status, 0, said);
  t.match(mine(report), [{ result: 'imported', state: 'complete' }]);
  const [left, right] = await channelsOf(mine(report)[0]?.recording ?? '');
  t.ok(findAudio(left, samples(ofBob)).exact, 'the agent, named by --agent, is left');
  t.ok(findAudio(right, samples(ofAlice)).exact);

  const converted = join(directory, 'phones-nsec.pcap');
  t.equal(spawnSync('editcap', ['-F', 'nsecpcap', file, converted]).status, 0);
  t.match(mine(grecImport(converted).report), [{ result: 'known', state: 'complete' }]);
});

t.test('calls through the switch and its media server: both legs are one call', { skip }, async (t) => {
  const sip = installation.sip.port;
  const { ports } = installation.config.mediad;
  const stop = await capture(
    'switch.pcapng',
    `udp and (port ${sip} or portrange ${ports.first}-${ports.last})`,
    ports.last,
  );
  const { caller, callee, sent } = await placeCalls(
    { calls: 2, rate: 10, seconds: 1 },
    installation,
    directory,
  );
  t.match(await Promise.all([caller.result, callee.result]), [{ code: 0 }, { code: 0 }]);
  const file = await stop();
  const { report, status, said } = grecImport(file);
  t.equal(status, 0, said);
  t.equal(report.recordings.length, 2);
  for (const { recording, state, callIds } of report.recordings) {
    t.equal(state, 'complete');
    t.equal(callIds.length, 2);
    // The DN that the switch knows is on the left: the called side.
    const [left, right] = await channelsOf(recording);
    t.ok(findAudio(left, linear(sent.b)).exact);
    t.ok(findAudio(right, linear(sent.a)).exact);
  }
});

t.test('files that are no captures', async (t) => {
  t.match(grecImport(import.meta.filename), { status: 1, said: /is no capture.*neither pcap nor pcapng/ });
  t.match(grecImport(), { status: 2 });
});
