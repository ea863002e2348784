// The reply cache: bounded in time, number and bytes, and never forgetting what is under way.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { ReplyCache, type ReplyCacheLimits } from './reply-cache.ts';

function cacheAt(limits: Partial<ReplyCacheLimits>) {
  const clock = { now: 0 };
  const cache = new ReplyCache(limits, () => clock.now);
  const put = (key: string, bytes = 1) => {
    const entry = cache.open(key);
    if (entry !== undefined) cache.settle(entry, Buffer.alloc(bytes));
  };
  return { cache, clock, put };
}

t.test('a reply is found until it is half a minute old', async (t) => {
  const { cache, clock, put } = cacheAt({});
  put('a');
  clock.now = 30_000;
  t.equal(cache.find('a')?.reply, '\0');
  clock.now = 30_001;
  t.equal(cache.find('a'), undefined);
  t.equal(cache.size, 0);
});

t.test('the oldest replies make room, by number and by bytes', async (t) => {
  const few = cacheAt({ entries: 2 });
  for (const key of ['a', 'b', 'c']) few.put(key);
  t.same(
    ['a', 'b', 'c'].map((key) => few.cache.find(key) !== undefined),
    [false, true, true],
  );
  const small = cacheAt({ bytes: 100 });
  small.put('a', 60);
  small.put('b', 60);
  t.equal(small.cache.find('a'), undefined);
  t.equal(small.cache.find('b')?.reply?.length, 60);
  small.put('c', 101);
  t.equal(small.cache.size, 0, 'one reply beyond the limit is not kept');
  small.put('a'.repeat(60), 10);
  small.put('b'.repeat(60), 10);
  t.equal(small.cache.size, 1, 'keys take memory too');
});

t.test('requests under way are kept whatever their age, and limited', async (t) => {
  const { cache, clock } = cacheAt({ pending: 2, entries: 1 });
  const first = cache.open('a');
  cache.open('b');
  t.equal(cache.open('c'), undefined);
  clock.now = 60_000;
  t.equal(cache.find('a'), first);
  if (first !== undefined) cache.settle(first, Buffer.alloc(1));
  t.ok(cache.open('c'), 'room again');
});

t.test('a cache that a flood has filled is small, inside the heap and outside', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const takenMb = () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1e6;
  };
  const small = cacheAt({});
  const large = cacheAt({});
  const before = takenMb();
  for (let n = 0; n < 40_000; n += 1) small.put(`192.0.2.1 4000 ${n}`, 100);
  const between = takenMb();
  t.equal(small.cache.size, 32_768);
  // The collector does not give back the last megabyte or two each time; as buffers they were 18.
  t.ok(between - before < 16, `${(between - before).toFixed(1)} MB for the most replies that there may be`);
  for (let n = 0; n < 40_000; n += 1) large.put(`192.0.2.1 4000 ${n}${'x'.repeat(200)}`, 1000);
  const after = takenMb();
  t.ok(after - between < 20, `${(after - between).toFixed(1)} MB for the longest`);
  t.ok(large.cache.size > 0);
});
