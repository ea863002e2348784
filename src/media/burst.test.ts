// Packets that come all at once, as when a sender or the machine stood still: each is relayed and captured as it was sent.
import t, { type Test } from 'tap';
import { endCall, metadata, payloads, sentBy, startCall } from './fixtures/bench.ts';
import { type TestedEngine, testedEngines } from './fixtures/engines.ts';
import { startSecureCall } from './fixtures/secure-party.ts';

/** As many as a party sends in two seconds. */
const BURST = 100;
const BURSTS = 8;
const SUITE = 'AES_CM_128_HMAC_SHA1_80';

for (const tested of await testedEngines()) {
  t.test(tested.name, async (t) => survivesBursts(t, tested));
  t.test(`${tested.name}, with SRTP`, async (t) => protectsBursts(t, tested));
}

async function survivesBursts(t: Test, { engine }: TestedEngine): Promise<void> {
  const { server, a, b, forA, forB } = await startCall(t, { engine });
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
  const { packets } = await endCall(server);
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

/** What is protected is longer than what came, and leaves from another place. */
async function protectsBursts(t: Test, { engine }: TestedEngine): Promise<void> {
  const { a: phone, b: trunk, forA, forB } = await startSecureCall(t, SUITE, { engine });
  for (let burst = 0; burst < BURSTS; burst += 1) {
    for (let n = burst * BURST + 1; n <= (burst + 1) * BURST; n += 1) {
      phone.sendSecure(forA, n);
      trunk.sendRtp(forB, n);
    }
    const rtp = (burst + 1) * BURST;
    await Promise.all([phone.until({ rtp }), trunk.until({ rtp })]);
  }
  t.strictSame(phone.opened(phone.rtp), sentBy(trunk, BURSTS * BURST));
  t.strictSame(
    trunk.rtp.map((bytes) => bytes.toString('hex')),
    sentBy(phone, BURSTS * BURST),
  );
}
