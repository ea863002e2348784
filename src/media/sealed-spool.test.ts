// A media server that encrypts what it captures: its relay workers get the key of each capture, and no other; one that is killed
// costs what it costs in the clear.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { readSpoolKeys } from '../spool/spool-keys.ts';
import { connect, onlySegment, openParty, payloads, sentBy, settled, startServer } from './fixtures/bench.ts';
import { startWorkerEngine } from './io/worker-engine.ts';

const PACKETS = 60;

async function record(t: Test) {
  const spoolKey = join(mkdtempSync(join(tmpdir(), 'grec-key-')), 'spool.key');
  t.teardown(() => rmSync(dirname(spoolKey), { recursive: true }));
  writeFileSync(spoolKey, `${Buffer.alloc(32, 6).toString('hex')}\n`, { mode: 0o600 });
  const server = await startServer(t, { engine: startWorkerEngine, workers: 1, spoolKey });
  const [a, b] = [await openParty(t), await openParty(t)];
  const { forA } = await connect(server, a.sdp(), b.sdp(), { 'record call': 'yes' });
  for (let n = 1; n <= PACKETS; n += 1) {
    a.sendRtp(forA, n);
    await b.until({ rtp: n });
  }
  const segment = () => onlySegment(server.spool, readSpoolKeys(spoolKey));
  return { server, a, segment };
}

t.test('what is on the disk is secret, and whole for who has the key', async (t) => {
  const { server, a, segment } = await record(t);
  await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
  await settled(server);
  const { facts, packets, capture } = segment();
  t.match(facts.closed, { reason: 'deleted', lost: 0, packets: { a: PACKETS } });
  t.same(payloads(packets), sentBy(a, PACKETS));
  t.notOk(readFileSync(capture).includes(packets[0]?.payload ?? ''));
  t.throws(() => onlySegment(server.spool), { code: 'SPOOL_INVALID' });
});

t.test('kill -9 of the worker: the whole packets that were written stay', async (t) => {
  const { server, a, segment } = await record(t);
  while (segment().packets.length < PACKETS / 2) await delay(5);
  process.kill((await server.status()).workers[0]?.pid ?? 0, 'SIGKILL');
  while (segment().facts.closed === undefined) await delay(5);
  const { facts, packets } = segment();
  t.equal(facts.closed?.reason, 'recovered');
  t.same(payloads(packets), sentBy(a, packets.length));
});

t.test('a key that cannot be used keeps it from starting, and says why', async (t) => {
  const spoolKey = join(t.testdir(), 'none.key');
  await t.rejects(startServer(t, { spoolKey }), { code: 'SPOOL_KEY_UNUSABLE', hint: /openssl rand/ });
});
