// Datagrams wait their turn: in order, none lost but beyond the limit, and timers run between them.
import t from 'tap';
import { DatagramQueue } from './datagram-queue.ts';
import { Turns } from './turns.ts';

const place = { protocol: 'udp', address: '127.0.0.1', port: 1 } as const;
const flow = { peer: place, local: place, id: 'x' };

/** Takes this long to handle, in milliseconds. */
function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 1));

t.test('what fits into a turn is handled at once', async (t) => {
  const seen: string[] = [];
  const queue = new DatagramQueue(new Turns(1000), (bytes) => void seen.push(String(bytes)), t.fail);
  for (const text of ['a', 'b', 'c']) queue.take(Buffer.from(text), flow);
  t.same(seen, ['a', 'b', 'c']);
});

t.test('what does not waits, in order, while timers run', async (t) => {
  const seen: string[] = [];
  const handle = (bytes: Buffer) => {
    seen.push(String(bytes));
    busy(2);
  };
  const queue = new DatagramQueue(new Turns(3), handle, t.fail);
  const names = Array.from({ length: 20 }, (_, index) => `${index}`);
  for (const name of names) queue.take(Buffer.from(name), flow);
  t.ok(seen.length < 20, `${seen.length} in the first turn`);
  await soon();
  t.ok(seen.length < 20, `${seen.length} when a timer ran`);
  queue.take(Buffer.from('last'), flow);
  while (seen.length < 21) await soon();
  t.same(seen, [...names, 'last']);
});

t.test('a queue that is full takes no more, and goes on when it is empty', async (t) => {
  let handled = 0;
  let lost = 0;
  const queue = new DatagramQueue(
    new Turns(0),
    () => void handled++,
    () => void lost++,
  );
  const large = 'x'.repeat(60_000);
  for (let count = 0; count < 100; count++) queue.take(Buffer.from(large), flow);
  t.ok(lost > 20 && lost < 40, `${lost} lost`);
  while (handled + lost < 100) await soon();
  queue.take(Buffer.from('again'), flow);
  while (handled + lost < 101) await soon();
  t.ok(lost < 40);
});
