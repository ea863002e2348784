// A relay worker that is killed takes its own calls with it and no other: the controller is told, segments are closed.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { NgEvent } from '../ng/reply.ts';
import { openCapture } from '../spool/capture-file.ts';
import { createJournalReader } from '../spool/journal.ts';
import { CAPTURE_FILE, FACTS_FILE, parseFacts } from '../spool/segment.ts';
import { numberedPacket } from '../testing/udp-party.ts';
import { connect, openParty, startServer } from './fixtures/bench.ts';
import { startWorkerEngine } from './io/worker-engine.ts';

/** The segment of a call in the ng protocol. */
function segmentOf(spool: string, call: string) {
  for (const id of readdirSync(spool)) {
    const parsed = parseFacts(readFileSync(join(spool, id, FACTS_FILE), 'utf8'));
    if (!('facts' in parsed) || parsed.facts.opened.ngCallId !== call) continue;
    return { facts: parsed.facts, capture: openCapture(join(spool, id, CAPTURE_FILE)) };
  }
  throw new Error(`no segment of ${call}`);
}

t.test('kill -9 of one relay worker', async (t) => {
  const events: NgEvent[] = [];
  const server = await startServer(t, {
    engine: startWorkerEngine,
    workers: 2,
    onEvent: (event) => events.push(event),
  });
  const parties = [await openParty(t), await openParty(t), await openParty(t), await openParty(t)] as const;
  const [a, b, c, d] = parties;
  const first = await connect(server, a.sdp(), b.sdp(), { 'record call': 'yes' }, 'call-1');
  const { pid = 0 } = (await server.status()).workers.find(({ calls }) => calls === 1) ?? {};
  const second = await connect(server, c.sdp(), d.sdp(), { 'record call': 'yes' }, 'call-2');
  t.same(
    (await server.status()).workers.map(({ calls }) => calls),
    [1, 1],
    'one call on each',
  );
  for (let n = 1; n <= 30; n += 1) {
    a.sendRtp(first.forA, n);
    c.sendRtp(second.forA, n);
    await Promise.all([b.until({ rtp: n }), d.until({ rtp: n })]);
  }
  // What had been written before is what may not be lost.
  const written = () => [...segmentOf(server.spool, 'call-1').capture].length;
  while (written() < 20) await delay(5);

  process.kill(pid, 'SIGKILL');
  for (let n = 31; n <= 60; n += 1) {
    c.sendRtp(second.forA, n);
    await d.until({ rtp: n });
  }
  while (events.length === 0) await delay(2);
  t.match(events[0], { event: 'lost', 'call-id': 'call-1', reason: /SIGKILL/ });
  await t.rejects(server.ng.request({ command: 'query', 'call-id': 'call-1' }), {
    message: /Unknown call-id/,
  });
  while ((await server.status()).finishing > 0) await delay(5);
  const { facts, capture } = segmentOf(server.spool, 'call-1');
  const kept = [...capture];
  t.equal(facts.closed?.reason, 'recovered');
  t.equal(capture.truncatedBytes, 0);
  t.ok(kept.length >= 20);
  t.strictSame(
    kept.map(({ payload }) => payload),
    kept.map((_, index) => numberedPacket(a.rtpPort, index + 1)),
  );

  while ((await server.status()).workers.length < 2) await delay(10);
  const again = await connect(server, a.sdp(), b.sdp(), {}, 'call-3');
  t.match((await server.status()).calls, 2);
  a.sendRtp(again.forA, 31);
  await b.until({ rtp: 31 });
  await server.ng.request({ command: 'delete', 'call-id': 'call-2' });
  await server.stop();
  t.match(segmentOf(server.spool, 'call-2').facts.closed, { reason: 'deleted', packets: { a: 60 }, lost: 0 });
  const { events: journal } = createJournalReader({
    directory: server.journal,
    daemon: 'grec-mediad',
  }).read();
  t.match(
    journal.filter(({ type }) => type === 'segment.closed'),
    [{ reason: 'recovered' }, { reason: 'deleted' }],
  );
});

t.test('a worker that is killed while a recording is being finished closes it all the same', async (t) => {
  const server = await startServer(t, { engine: startWorkerEngine, workers: 1 });
  const [a, b] = [await openParty(t), await openParty(t)];
  const { forA } = await connect(server, a.sdp(), b.sdp(), { 'record call': 'yes' });
  a.sendRtp(forA, 1);
  await b.until({ rtp: 1 });
  const [{ pid } = { pid: 0 }] = (await server.status()).workers;
  const deleted = server.ng.request({ command: 'delete', 'call-id': 'call-1' }).catch(() => undefined);
  process.kill(pid, 'SIGKILL');
  await deleted;
  while ((await server.status()).finishing > 0) await delay(5);
  t.match(segmentOf(server.spool, 'call-1').facts.closed?.reason, /recovered|deleted/);
  t.equal((await server.status()).media.portsUsed, 0);
});
