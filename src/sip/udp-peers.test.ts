// The peers of a UDP listener: one flow and channel for each, and a limit to what made-up sources cost.
import t from 'tap';
import { UdpListener } from './transport-udp.ts';
import { UdpPeers } from './udp-peers.ts';

const open = async (host: string) => {
  const events = { onDatagram: () => undefined, onError: () => undefined };
  return UdpListener.open({ protocol: 'udp', host, port: 0 }, events);
};

t.test('a peer is known again by address and port', async (t) => {
  const listener = await open('127.0.0.1');
  t.teardown(() => listener.close());
  const peers = new UdpPeers(listener, () => listener.local);
  t.equal(peers.find('192.0.2.1', 5060), undefined);
  const one = peers.at('192.0.2.1', 5060);
  t.equal(peers.at('192.0.2.1', 5060), one);
  t.equal(peers.find('192.0.2.1', 5060), one);
  t.not(peers.at('192.0.2.1', 5061), one);
  t.not(peers.at('192.0.2.2', 5060), one);
  t.same(one.peer, { protocol: 'udp', address: '192.0.2.1', port: 5060 });
  t.equal(one.id, `udp:127.0.0.1:${listener.local.port}:192.0.2.1:5060`);
});

t.test('beyond some thousand the earlier ones are forgotten', async (t) => {
  const listener = await open('127.0.0.1');
  t.teardown(() => listener.close());
  const peers = new UdpPeers(listener, () => listener.local);
  const first = peers.at('192.0.2.1', 1);
  for (let port = 2; port <= 4096; port++) peers.at('192.0.2.1', port);
  t.equal(peers.find('192.0.2.1', 1), first);
  peers.at('192.0.2.2', 1);
  t.equal(peers.find('192.0.2.1', 1), undefined);
});
