// The loop of the engines that call the kernel: its work is never begun again from within itself.
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { openKernel } from './kernel.ts';
import { PacketLoop } from './packet-loop.ts';

t.test('who wakes the loop in the middle of its work waits for the next turn', async (t) => {
  const kernel = await openKernel().catch(() => undefined);
  if (kernel === undefined) return t.pass('no koffi here', { skip: 'no koffi' });
  const fd = kernel.eventfd(0, 0x800 | 0x80000);
  let depth = 0;
  let deepest = 0;
  let arms = 0;
  let woken = 0;
  const loop: PacketLoop = new PacketLoop(kernel, {
    fd,
    arm: () => {
      arms += 1;
    },
    work: () => {
      depth += 1;
      deepest = Math.max(deepest, depth);
      // A packet came just before it was to sleep, and is sent on: that wakes the loop.
      const isFallingAsleep = arms === 2;
      if (isFallingAsleep) {
        arms = 3;
        loop.wake();
        woken += 1;
      }
      depth -= 1;
      return isFallingAsleep ? 1 : 0;
    },
  });
  t.teardown(() => {
    loop.close();
    kernel.close(fd);
  });
  loop.wake();
  // Awake, and asleep again after the turns without a packet.
  while (arms < 4) await delay(5);
  t.equal(woken, 1);
  t.equal(deepest, 1, 'completions that are being read would be read twice, and buffers given back twice');
});
