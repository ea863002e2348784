// Packets that come all at once, as when a sender or the machine stood still: each is relayed and captured as it was sent.
import t, { type Test } from 'tap';
import {
  connect,
  metadata,
  onlySegment,
  openParty,
  payloads,
  sentBy,
  settled,
  startServer,
} from './fixtures/bench.ts';
import { type TestedEngine, testedEngines } from './fixtures/engines.ts';

/** As many as a party sends in two seconds. */
const BURST = 100;
const BURSTS = 8;

for (const tested of await testedEngines()) t.test(tested.name, async (t) => survivesBursts(t, tested));

async function survivesBursts(t: Test, { engine }: TestedEngine): Promise<void> {
  const server = await startServer(t, { engine });
  const [a, b] = [await openParty(t), await openParty(t)];
  const { forA, forB } = await connect(server, a.sdp(), b.sdp());
  await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
  for (let burst = 0; burst < BURSTS; burst += 1) {
    for (let n = burst * BURST + 1; n <= (burst + 1) * BURST; n += 1) {
      a.sendRtp(forA, n);
      b.sendRtp(forB, n);
    }
    await Promise.all([a.until({ rtp: (burst + 1) * BURST }), b.until({ rtp: (burst + 1) * BURST })]);
  }
  const hex = (packets: Buffer[]) => packets.map((bytes) => bytes.toString('hex'));
  t.strictSame(hex(b.rtp), sentBy(a, BURSTS * BURST), 'what A said');
  t.strictSame(hex(a.rtp), sentBy(b, BURSTS * BURST), 'what B said');
  await server.ng.request({ command: 'delete', 'call-id': 'call-1' });
  await settled(server);
  const { packets } = onlySegment(server.spool);
  for (const [port, party] of [
    [forA, a],
    [forB, b],
  ] as const)
    t.strictSame(
      payloads(packets.filter(({ destination }) => destination.port === port)),
      sentBy(party, BURSTS * BURST),
      'captured in order',
    );
}
