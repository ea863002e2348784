// dtmf = "drop": telephone events reach the other party, and no capture.
import t, { type Test } from 'tap';
import { checkConfig } from '../config.ts';
import { numberedPacket } from '../testing/udp-party.ts';
import { endCall, eventBy, metadata, payloads, startCall, withEvents } from './fixtures/bench.ts';

const call = { 'call-id': 'call-1' };
const ids = { ...call, 'from-tag': 'tag-a', 'to-tag': 'tag-b' };

async function talk(t: Test, dtmf: 'record' | 'drop') {
  const { server, a, b, forA } = await startCall(t, { recording: { dtmf }, describe: withEvents });
  await server.ng.request({ command: 'start recording', ...call, metadata });
  const event = (n: number, payloadType?: number) => eventBy(a, n, payloadType);
  let heard = 0;
  const send = async (packet: Buffer) => {
    a.sendRaw(forA, packet);
    await b.until({ rtp: ++heard });
  };
  const voice = (n: number) => numberedPacket(a.rtpPort, n);
  return { server, a, b, event, voice, send, end: () => endCall(server) };
}

t.test('the other party hears the keys, the capture holds the voice', async (t) => {
  const { b, event, voice, send, end } = await talk(t, 'drop');
  const sent = [voice(1), event(2), event(3), voice(4), event(5), voice(6)];
  for (const packet of sent) await send(packet);
  t.same(
    b.rtp.map((bytes) => bytes.toString('hex')),
    sent.map((bytes) => bytes.toString('hex')),
  );
  const { facts, packets } = await end();
  t.same(
    payloads(packets),
    [1, 4, 6].map((n) => voice(n).toString('hex')),
  );
  t.match(facts.closed, { packets: { a: 3, b: 0 }, leftOut: { a: 3, b: 0 }, lost: 0 });
});

t.test('an event under a number that a new description binds, or none, is not captured either', async (t) => {
  const { server, a, b, event, voice, send, end } = await talk(t, 'drop');
  await send(event(1));
  await server.ng.request({ command: 'offer', ...ids, sdp: withEvents(a.sdp(), 97) });
  await server.ng.request({ command: 'answer', ...ids, sdp: withEvents(b.sdp(), 97) });
  for (const packet of [event(2, 97), event(3, 101), event(4, 120), voice(5)]) await send(packet);
  const { packets } = await end();
  t.same(payloads(packets), [voice(5).toString('hex')]);
});

t.test('by default they are captured with the rest', async (t) => {
  const { event, voice, send, end } = await talk(t, 'record');
  for (const packet of [voice(1), event(2)]) await send(packet);
  const { facts, packets } = await end();
  t.same(payloads(packets), [voice(1).toString('hex'), event(2).toString('hex')]);
  t.equal(facts.closed?.leftOut, undefined);
});

t.test('the configuration takes two words, and none that rtpengine could not keep', async (t) => {
  t.match(checkConfig('[recording]\ndtmf = "mask"').problems, [
    { line: 2, key: 'recording.dtmf', message: /expected one of "record", "drop"/ },
  ]);
  t.match(checkConfig('[recording]\ndtmf = "drop"\n[media]\nengine = "rtpengine"').problems, [
    { line: 2, key: 'recording.dtmf', message: /needs \[media\] engine = "grec"/ },
  ]);
  t.same(checkConfig('[recording]\ndtmf = "drop"').problems, []);
});
