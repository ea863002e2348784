// Whatever a party sends in whatever codec, the other one hears and the capture holds, bit for bit and in the order of arrival.
import t, { type Test } from 'tap';
import { audioPort, endCall, metadata, openParty, payloads, startServer } from './fixtures/bench.ts';
import { CODEC_ATTRIBUTES, CODEC_FORMATS, codecPackets, irregularPackets } from './fixtures/codecs.ts';
import { type TestedEngine, testedEngines } from './fixtures/engines.ts';

const ids = { 'call-id': 'call-1', 'from-tag': 'tag-a', 'to-tag': 'tag-b' };
/** What a socket of a party takes at once, however large the packets. */
const AT_ONCE = 16;
const hexOf = (packets: Buffer[]) => packets.map((bytes) => bytes.toString('hex'));

for (const tested of await testedEngines()) t.test(tested.name, async (t) => holdsFor(t, tested));

/** A call whose parties have described every codec. */
async function callOf(t: Test, { engine }: TestedEngine) {
  const server = await startServer(t, { engine });
  const [a, b] = [await openParty(t), await openParty(t)];
  const of = (party: typeof a, address?: string) =>
    party.sdp({ formats: CODEC_FORMATS, ...(address === undefined ? {} : { address }) }) + CODEC_ATTRIBUTES;
  const exchange = async (from: string, to: string) => {
    const toB = await server.ng.request({ command: 'offer', ...ids, sdp: from });
    const toA = await server.ng.request({ command: 'answer', ...ids, sdp: to });
    return { forA: audioPort(toA.sdp), forB: audioPort(toB.sdp) };
  };
  const ports = await exchange(of(a), of(b));
  await server.ng.request({ command: 'start recording', 'call-id': 'call-1', metadata });
  return { server, a, b, of, exchange, ...ports };
}

type TestedCall = Awaited<ReturnType<typeof callOf>>;

/** Both speak, in turns that no socket is too small for. */
async function speak({ a, b, forA, forB }: TestedCall, packets: Buffer[]): Promise<void> {
  const heard = b.rtp.length;
  for (let at = 0; at < packets.length; at += AT_ONCE) {
    const some = packets.slice(at, at + AT_ONCE);
    for (const packet of some) {
      a.sendRaw(forA, packet);
      b.sendRaw(forB, packet);
    }
    const rtp = heard + at + some.length;
    await Promise.all([a.until({ rtp }), b.until({ rtp })]);
  }
}

async function endOf({ server, forA, forB }: TestedCall) {
  const { facts, packets } = await endCall(server);
  const at = (port: number) => payloads(packets.filter(({ destination }) => destination.port === port));
  return { facts, fromA: at(forA), fromB: at(forB) };
}

function holdsFor(t: Test, tested: TestedEngine): void {
  t.test('every codec, in packets of 10 to 60 ms that change in length', async (t) => {
    const call = await callOf(t, tested);
    const packets = codecPackets();
    await speak(call, packets);
    const sent = hexOf(packets);
    t.strictSame([hexOf(call.a.rtp), hexOf(call.b.rtp)], [sent, sent], 'heard');
    const { facts, fromA, fromB } = await endOf(call);
    t.strictSame([fromA, fromB], [sent, sent], 'captured');
    const names = facts.opened.streams[0]?.formats.map(
      ({ encoding, clockRate }) => `${encoding}/${clockRate}`,
    );
    t.match(names, ['PCMU/8000', 'PCMA/8000', 'G722/8000', 'G729/8000', 'CN/8000'], 'and named in the facts');
    t.match(names?.slice(5), ['OPUS/48000', 'AMR/8000', 'AMR-WB/16000', 'L16/48000', 'TELEPHONE-EVENT/8000']);
  });

  t.test('numbers that turn over, sources that change, packets that overtake and repeat', async (t) => {
    const call = await callOf(t, tested);
    const packets = irregularPackets();
    await speak(call, packets);
    const sent = hexOf(packets);
    t.strictSame([hexOf(call.a.rtp), hexOf(call.b.rtp)], [sent, sent], 'heard');
    const { fromA, fromB } = await endOf(call);
    t.strictSame([fromA, fromB], [sent, sent], 'captured');
  });

  t.test('another address, with everything that is spoken there', async (t) => {
    const call = await callOf(t, tested);
    const moved = await openParty(t, '127.0.0.2');
    const [before, after] = [codecPackets().slice(0, 8), codecPackets().slice(8, 24)];
    await speak(call, before);
    t.strictSame(
      await call.exchange(call.of(call.a), call.of(moved)),
      { forA: call.forA, forB: call.forB },
      'the ports stay',
    );
    await speak(
      { ...call, b: moved, a: { ...call.a, until: ({ rtp = 0 }) => call.a.until({ rtp: rtp + 8 }) } },
      after,
    );
    t.strictSame(hexOf(call.a.rtp), hexOf([...before, ...after]));
    t.strictSame(
      [hexOf(call.b.rtp), hexOf(moved.rtp)],
      [hexOf(before), hexOf(after)],
      'nothing to the old one',
    );
    const { fromA, fromB } = await endOf(call);
    t.strictSame([fromA, fromB], [hexOf([...before, ...after]), hexOf([...before, ...after])]);
  });
}
