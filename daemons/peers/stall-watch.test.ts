// Whose fault it is that a process stood still.
import t from 'tap';
import { ownMs, type Stall } from './stall-watch.ts';

const stall = (change: Partial<Stall>): Stall => ({
  at: 1000,
  gapMs: 40,
  othersMs: 0,
  cpuMs: 0,
  gcMs: 0,
  ...change,
});

t.test('a stall is the own one but for the time in which others had the processor', async (t) => {
  t.equal(ownMs(stall({})), 40);
  t.equal(ownMs(stall({ othersMs: 30 })), 10);
});

t.test('what an idle process suffered at the same moment the machine did to both', async (t) => {
  t.equal(ownMs(stall({}), [stall({ gapMs: 35 })]), 5);
  t.equal(ownMs(stall({}), [stall({ at: 990, gapMs: 60 })]), 10, 'for as long as both lasted');
  t.equal(ownMs(stall({ othersMs: 30 }), [stall({ gapMs: 35 })]), 5, 'and not twice');
});

t.test('at another moment it did not, nor when the idle one had to wait for this one', async (t) => {
  t.equal(ownMs(stall({}), [stall({ at: 900 })]), 40);
  t.equal(ownMs(stall({}), [stall({ othersMs: 39 })]), 39);
});
