// More datagrams from elsewhere than an engine has places for, sent in one turn: each leaves as it was, and in order.
import { createSocket, Socket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { type TestedEngine, testedEngines } from '../fixtures/engines.ts';
import { createDgramIo } from './dgram-io.ts';
import type { DatagramSocket, UdpIo } from './udp-io.ts';

const SOCKETS = 60;
/** As many as the socket of a test keeps until it is read. */
const EACH = 50;
const BYTES = 182;
const ignore = { receive() {}, receiveOversized() {}, onUnreachable() {} };

/** Datagram `n` of all: its number, and bytes that are of no other one nearby. */
function fill(bytes: Buffer, n: number): void {
  bytes.fill(n & 0xff);
  bytes.writeUInt32LE(n);
}

async function sink(t: Test): Promise<{ socket: Socket; came: Buffer[] }> {
  const socket = createSocket('udp4');
  const came: Buffer[] = [];
  socket.on('message', (bytes) => came.push(bytes));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return { socket, came };
}

async function socketTo(
  io: UdpIo,
  { socket }: { socket: Socket },
  isAlone: boolean,
  onSendFailed: () => void,
) {
  const from = await io.bind('127.0.0.1', 0, { ...ignore, onSendFailed });
  from.aim({ address: '127.0.0.1', port: socket.address().port }, isAlone);
  return from;
}

async function sendsAll(t: Test, { createIo }: TestedEngine): Promise<void> {
  const io = await createIo();
  const sockets: DatagramSocket[] = [];
  t.teardown(async () => {
    await Promise.all(sockets.map((socket) => socket.close()));
    await io.close();
  });
  const sinks = await Promise.all(Array.from({ length: SOCKETS }, () => sink(t)));
  let failed = 0;
  const onSendFailed = () => {
    failed += 1;
  };
  for (const [index, one] of sinks.entries())
    sockets.push(await socketTo(io, one, index % 2 === 0, onSendFailed));
  // Of one memory, as SRTP is made: it is written over as soon as a datagram is taken.
  const memory = Buffer.alloc(BYTES);
  for (let n = 0; n < SOCKETS * EACH; n += 1) {
    fill(memory, n);
    if (sockets[n % SOCKETS]?.send(memory, 0, BYTES) !== true) failed += 1;
  }
  memory.fill(0xee);
  await Promise.all(
    sinks.map(async ({ socket, came }) => {
      while (came.length < EACH) await once(socket, 'message');
    }),
  );
  t.equal(failed, 0);
  const wrong = sinks.flatMap(({ came }, index) =>
    came.filter((bytes, at) => {
      const expected = Buffer.alloc(BYTES);
      fill(expected, at * SOCKETS + index);
      return !bytes.equals(expected);
    }),
  );
  t.equal(wrong.length, 0);
}

for (const tested of await testedEngines()) t.test(tested.name, (t) => sendsAll(t, tested));

t.test('what Node lets wait, because the kernel is busy, is not written over', async (t) => {
  const { socket, came } = await sink(t);
  const from = await socketTo(createDgramIo(), { socket }, false, () => undefined);
  t.teardown(() => from.close());
  const waiting: (() => void)[] = [];
  const { send } = Socket.prototype;
  t.intercept(Socket.prototype, 'send', {
    value(this: Socket, ...given: Parameters<typeof send>) {
      waiting.push(() => send.apply(this, given));
    },
  });
  const memory = Buffer.alloc(2 * BYTES);
  for (const n of [1, 2]) {
    fill(memory, n);
    t.ok(from.send(memory, 0, BYTES));
  }
  for (const go of waiting) go();
  while (came.length < 2) await once(socket, 'message');
  t.same(
    came.map((bytes) => bytes.readUInt32LE()),
    [1, 2],
  );
});
