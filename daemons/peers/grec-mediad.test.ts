// grec-mediad as a process: recorded over its real doors, stopped, killed in the middle, started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { askDaemon } from '../../src/control.ts';
import { silentLogger } from '../../src/log.ts';
import { createNgClient } from '../../src/ng/client.ts';
import { openCapture } from '../../src/spool/capture-file.ts';
import { createJournalReader } from '../../src/spool/journal.ts';
import { CAPTURE_FILE, FACTS_FILE, parseFacts } from '../../src/spool/segment.ts';
import { numberedPacket, openUdpParty } from '../../src/testing/udp-party.ts';

const program = fileURLToPath(new URL('../grec-mediad.ts', import.meta.url));
const firstPort = 44000 + (process.pid % 200) * 20;

/** A state directory with a short path: the control socket has to fit. */
function prepare(t: Test): { state: string; config: string } {
  const state = mkdtempSync(join(tmpdir(), 'grec-mediad-'));
  t.teardown(() => rmSync(state, { recursive: true, force: true }));
  const config = join(state, 'grec.toml');
  writeFileSync(
    config,
    [
      `state.directory = ${JSON.stringify(state)}`,
      'log.format = "json"',
      '[mediad]',
      'ng = "127.0.0.1:0"',
      `ports = "${firstPort}-${firstPort + 19}"`,
      'flush-interval = 20',
    ].join('\n'),
  );
  return { state, config };
}

async function start(t: Test, config: string): Promise<{ child: ChildProcess; log: string[] }> {
  const child = spawn(process.execPath, [program, '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const log: string[] = [];
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (status) => reject(new Error(`ended with ${status}: ${text}`)));
    child.stderr?.on('data', (bytes: Buffer) => {
      text += bytes;
      log.splice(0, log.length, ...text.split('\n'));
      if (text.includes('"ready"')) resolve();
    });
  });
  child.removeAllListeners('exit');
  return { child, log };
}

interface Status {
  engine: string;
  ng: { port: number };
  recording: number;
  packets: { relayed: number; recorded: number };
}
const statusOf = (state: string) =>
  askDaemon<Status>('grec-mediad', join(state, 'run/mediad.sock'), 'GET', '/status');

/** A recorded call over the ng port that the status names. */
async function record(t: Test, state: string) {
  const {
    ng: { port },
  } = await statusOf(state);
  const ng = await createNgClient({ host: '127.0.0.1', port, timeoutMs: 5000, log: silentLogger() });
  t.teardown(() => ng.close());
  const [a, b] = [await openUdpParty(), await openUdpParty()];
  t.teardown(() => [a.close(), b.close()]);
  const ids = { 'call-id': 'call-1', 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
  await ng.request({ command: 'offer', ...ids, sdp: a.sdp() });
  const { sdp = '' } = await ng.request({ command: 'answer', ...ids, sdp: b.sdp() });
  await ng.request({ command: 'start recording', 'call-id': 'call-1' });
  return { ng, a, b, forA: Number(/m=audio (\d+)/.exec(sdp)?.[1]) };
}

function segmentOf(state: string) {
  const spool = join(state, 'spool');
  const [id = ''] = readdirSync(spool);
  const parsed = parseFacts(readFileSync(join(spool, id, FACTS_FILE), 'utf8'));
  const capture = openCapture(join(spool, id, CAPTURE_FILE));
  return {
    facts: 'facts' in parsed ? parsed.facts : undefined,
    packets: [...capture],
    truncatedBytes: capture.truncatedBytes,
  };
}

t.test('report 11: SIGTERM in the middle of a recording loses nothing', async (t) => {
  const { state, config } = prepare(t);
  const { child } = await start(t, config);
  const { a, b, forA } = await record(t, state);
  for (let n = 1; n <= 30; n += 1) {
    a.sendRtp(forA, n);
    await b.until({ rtp: n });
  }
  t.match(await statusOf(state), {
    engine: /^(io_uring|epoll|dgram)$/,
    engineReason: /./,
    recording: 1,
    calls: 1,
    packets: { relayed: 30, recorded: 30 },
  });
  child.kill('SIGTERM');
  t.strictSame(await once(child, 'exit'), [0, null]);
  const { facts, packets } = segmentOf(state);
  t.match(facts?.closed, { reason: 'shutdown', packets: { a: 30, b: 0 }, lost: 0 });
  t.equal(packets.length, 30);
  const { events } = createJournalReader({ directory: join(state, 'journal'), daemon: 'grec-mediad' }).read();
  t.strictSame(
    events.map(({ type }) => type),
    ['daemon.started', 'segment.opened', 'segment.closed', 'daemon.stopped'],
  );
  t.notOk(existsSync(join(state, 'run/mediad.sock')));
});

t.test(
  'rule 7, report 11: kill -9 in the middle of a recording leaves a prefix, which the next start closes',
  async (t) => {
    const { state, config } = prepare(t);
    const { child } = await start(t, config);
    const { a, b, forA } = await record(t, state);
    let sent = 0;
    const capture = () => segmentOf(state).packets.length;
    while (capture() < 20) {
      sent += 1;
      a.sendRtp(forA, sent);
      await b.until({ rtp: sent });
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    const left = capture();
    t.equal(segmentOf(state).facts?.closed, undefined);
    const { child: next, log } = await start(t, config);
    // It is ready before: calls do not wait for the repair.
    while (!log.some((line) => line.includes('an unfinished segment was closed'))) await delay(10);
    const { facts, packets, truncatedBytes } = segmentOf(state);
    t.match(facts?.closed, { reason: 'recovered', at: packets.at(-1)?.at });
    t.equal(truncatedBytes, 0);
    t.equal(packets.length, left);
    t.ok(left >= 20 && left <= sent, `${left} of ${sent} packets`);
    t.strictSame(
      packets.map(({ payload }) => payload),
      packets.map((_, index) => numberedPacket(a.rtpPort, index + 1)),
    );
    const { events } = createJournalReader({
      directory: join(state, 'journal'),
      daemon: 'grec-mediad',
    }).read();
    t.match(events.at(-1), { type: 'segment.closed', reason: 'recovered', seq: events.length });
    next.kill('SIGTERM');
    t.strictSame(await once(next, 'exit'), [0, null]);
  },
);

t.test('the engine that is configured is taken, with as many workers as are', async (t) => {
  const { state, config } = prepare(t);
  const base = readFileSync(config, 'utf8');
  writeFileSync(config, `${base}\nengine = "dgram"\nworkers = 2\n`);
  await start(t, config);
  t.match(await statusOf(state), { engine: 'dgram', engineReason: 'it is configured', workers: [{}, {}] });
});

t.test("an address that is not this machine's is told at the start", async (t) => {
  const { state, config } = prepare(t);
  writeFileSync(config, `${readFileSync(config, 'utf8')}\naddress = "203.0.113.77"\n`);
  await t.rejects(start(t, config), {
    message: /ended with 1: .*\[mediad\] address must be.*203\.0\.113\.77/s,
  });
  t.strictSame(readdirSync(join(state, 'spool')), []);
});
