// Datagrams in batches: as with node:dgram, whole, in order, to and from whom they say, and what cannot be sent is told.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { DgramListener, type UdpEvents, type UdpListener } from './transport-udp.ts';
import { openBatches } from './udp-batches.ts';
import type { Peer } from './user-agent-types.ts';

const HOST = '127.0.0.1';
const ADDRESS = { protocol: 'udp', host: HOST, port: 0 } as const;

async function eventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function open(t: Test, events: UdpEvents): Promise<UdpListener> {
  const listener = await openBatches(ADDRESS, events);
  if (listener === undefined) throw new Error('the kernel cannot be reached: is koffi installed?');
  t.teardown(() => listener.close());
  return listener;
}

async function peer(t: Test) {
  const socket = createSocket('udp4').bind(0, HOST);
  t.teardown(() => socket.close());
  await once(socket, 'listening');
  const heard: { text: string; port: number }[] = [];
  socket.on('message', (bytes, { port }) => void heard.push({ text: String(bytes), port }));
  return { socket, heard, at: { protocol: 'udp', address: HOST, port: socket.address().port } as Peer };
}

const nothing = { onDatagram: () => {}, onError: () => {} };
const texts = (count: number) => Array.from({ length: count }, (_, index) => `${index}${'x'.repeat(index)}`);

t.test('more than one call takes comes whole and in order', async (t) => {
  const came: string[] = [];
  const from = new Set<string>();
  const listener = await open(t, {
    ...nothing,
    onDatagram: (bytes, address, port) => {
      came.push(String(bytes));
      from.add(`${address}:${port}`);
    },
  });
  const { socket, at } = await peer(t);
  for (const text of texts(150)) socket.send(text, listener.local.port, HOST);
  await eventually(() => came.length === 150);
  t.same(came, texts(150));
  t.same([...from], [`${HOST}:${at.port}`]);
});

t.test('what is sent leaves at the end of the turn, or at once when it is flushed or too much', async (t) => {
  const listener = await open(t, nothing);
  const { heard, at } = await peer(t);
  for (const text of texts(100)) listener.send(Buffer.from(text), at, t.fail);
  await eventually(() => heard.length === 100);
  t.same(
    heard.map(({ text }) => text),
    texts(100),
  );
  t.ok(heard.every(({ port }) => port === listener.local.port));
  listener.send(Buffer.alloc(60_000, 'y'), at, t.fail);
  listener.flush();
  await eventually(() => heard.length === 101);
  t.equal(heard[100]?.text.length, 60_000);
});

t.test('one that cannot be sent is told, and the others go', async (t) => {
  const listener = await open(t, nothing);
  const { heard, at } = await peer(t);
  const problems: string[] = [];
  const tell = (reason: string) => void problems.push(reason);
  listener.send(Buffer.from('before'), at, tell);
  listener.send(Buffer.from('lost'), { ...at, address: '255.255.255.255' }, tell);
  listener.send(Buffer.from('after'), at, tell);
  listener.send(Buffer.alloc(65_508), at, tell);
  listener.send(Buffer.from('family'), { ...at, address: '::1' }, tell);
  t.same(problems, [], 'never before send has returned');
  await eventually(() => heard.length === 2);
  t.same(
    heard.map(({ text }) => text),
    ['before', 'after'],
  );
  t.same(problems.toSorted(), [
    '65508 bytes are too many for one datagram',
    'nothing can be sent to ::1',
    `send EACCES 255.255.255.255:${at.port}`,
  ]);
});

t.test('what waits is sent before it closes; afterwards nothing is', async (t) => {
  const listener = await open(t, nothing);
  const { heard, at } = await peer(t);
  listener.send(Buffer.from('last'), at, t.fail);
  await listener.close();
  const problems: string[] = [];
  listener.send(Buffer.from('late'), at, (reason) => void problems.push(reason));
  await eventually(() => heard.length > 0 && problems.length > 0);
  t.equal(heard[0]?.text, 'last');
});

t.test('what it cannot have is left to node:dgram, which says why', async (t) => {
  const { local } = await open(t, nothing);
  const taken = { protocol: 'udp', host: HOST, port: local.port } as const;
  t.equal(await openBatches(taken, nothing), undefined);
  t.equal(await openBatches({ ...taken, host: '::1', port: 0 }, nothing), undefined);
  await t.rejects(DgramListener.open(taken, nothing), { code: 'PORT_IN_USE' });
});
