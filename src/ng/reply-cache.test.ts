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
  // The collector leaves a megabyte or two lying each time, which several caches share.
  const caches = () => Array.from({ length: 4 }, () => cacheAt({}));
  const takenBy = (
    filled: ReturnType<typeof caches>,
    count: number,
    key: (n: number) => string,
    bytes: number,
  ) => {
    const before = takenMb();
    for (const { put } of filled) for (let n = 0; n < count; n += 1) put(key(n), bytes);
    return (takenMb() - before) / filled.length;
  };
  const small = caches();
  const most = takenBy(small, 33_000, (n) => `192.0.2.1 4000 ${n}`, 100);
  t.same(
    small.map(({ cache }) => cache.size),
    [32_768, 32_768, 32_768, 32_768],
  );
  // As buffers they were 18, and the longest 67.
  t.ok(most < 13, `${most.toFixed(1)} MB for the most replies that there may be`);
  const large = caches();
  const longest = takenBy(large, 8000, (n) => `192.0.2.1 4000 ${n}${'x'.repeat(200)}`, 1000);
  t.ok(longest < 16, `${longest.toFixed(1)} MB for the longest`);
  t.ok(
    large.every(({ cache }) => cache.size > 0 && cache.size < 8000),
    'the oldest have made room',
  );
});
