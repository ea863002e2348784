// The reply cache: bounded in time, number and bytes, and never forgetting what is under way.
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
  t.same(cache.find('a')?.reply, Buffer.alloc(1));
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
