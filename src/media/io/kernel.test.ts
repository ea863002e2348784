// What the engines stand on: memory whose pieces are checked, addresses as the kernel writes them.
import t from 'tap';
import { openKernel } from './kernel.ts';
import { Region } from './region.ts';
import { readSocketAddress, writeSocketAddress } from './socket-address.ts';

t.test('a piece that does not lie in the region is refused before any system call', async (t) => {
  const kernel = await openKernel().catch(() => undefined);
  if (kernel === undefined) return t.pass('no koffi here', { skip: 'no koffi, or not Linux' });
  const region = new Region(kernel, 1 << 16);
  const at = region.take(100);
  t.equal(region.address(at, 100) - region.address(0, 0), at);
  for (const [offset, length] of [
    [-1, 1],
    [0, (1 << 16) + 1],
    [1 << 16, 1],
    [Number.NaN, 1],
    [0, -1],
  ] as const)
    t.throws(() => region.address(offset, length), RangeError);
  t.equal(region.take(1 << 16), -1, 'no room');
  t.equal(region.offsetOf(region.bytes.subarray(5)), 5);
  t.equal(region.offsetOf(Buffer.alloc(5)), -1);
});

t.test('a system call that is given a bad address fails, and nothing else happens', async (t) => {
  const kernel = await openKernel().catch(() => undefined);
  if (kernel === undefined) return t.pass('no koffi here', { skip: 'no koffi, or not Linux' });
  const fd = kernel.socket(2, 2, 0);
  const answers = [kernel.bind(fd, 8, 16), kernel.errno()] as const;
  t.equal(answers[0], -1);
  t.equal(kernel.errorName(answers[1]), 'EFAULT');
  kernel.close(fd);
});

t.test(
  'socket addresses are written as the kernel wants them, and read in the text of node:dgram',
  async (t) => {
    const bytes = Buffer.alloc(28, 0xff);
    t.equal(writeSocketAddress(bytes, 0, { address: '192.0.2.1', port: 0x1234 }), 16);
    t.equal(bytes.toString('hex', 0, 16), `02001234c0000201${'00'.repeat(8)}`);
    t.strictSame(readSocketAddress(bytes, 0), { address: '192.0.2.1', port: 0x1234 });
    t.equal(writeSocketAddress(bytes, 0, { address: '2001:db8::1', port: 80 }), 28);
    t.equal(bytes.toString('hex'), `0a0000500000000020010db8${'00'.repeat(11)}0100000000`);
    t.strictSame(readSocketAddress(bytes, 0), { address: '2001:db8::1', port: 80 });
  },
);
