// rule 3: a packet that comes while others are being served never bears a time from before it was sent: recordings go by the earliest.
import t, { type Test } from 'tap';
import { microsNow } from '../../spool/clock.ts';
import { type TestedEngine, testedEngines } from '../fixtures/engines.ts';

/** For so long a busy machine gives the engine no time, in microseconds. */
const STALL_US = 30_000;
const ignore = { receiveOversized() {}, onUnreachable() {}, onSendFailed() {} };

async function tellsTheTime(t: Test, { createIo }: TestedEngine): Promise<void> {
  const io = await createIo();
  const { promise, resolve } = Promise.withResolvers<number>();
  const last = await io.bind('127.0.0.1', 0, {
    ...ignore,
    receive: () => resolve(io.clock.seconds * 1e6 + io.clock.micros),
  });
  let sentAt = 0;
  const slow = await io.bind('127.0.0.1', 0, {
    ...ignore,
    receive() {
      const until = microsNow() + STALL_US;
      while (microsNow() < until);
      sentAt = microsNow();
      out.send(Buffer.from('late'), 0, 4);
    },
  });
  const out = await io.bind('127.0.0.1', 0, { ...ignore, receive() {} });
  const first = await io.bind('127.0.0.1', 0, { ...ignore, receive() {} });
  t.teardown(async () => {
    await Promise.all([last, slow, out, first].map((socket) => socket.close()));
    await io.close();
  });
  out.aim({ address: '127.0.0.1', port: last.port }, true);
  first.aim({ address: '127.0.0.1', port: slow.port }, true);
  first.send(Buffer.from('first'), 0, 5);
  const toldAt = await promise;
  t.ok(toldAt >= sentAt, `sent at ${sentAt}, and came ${toldAt - sentAt} us later`);
}

for (const engine of await testedEngines())
  t.test(engine.name, { timeout: 20_000 }, (t) => tellsTheTime(t, engine));
