// The journal: what is appended is read, in order, once, whatever was cut, full or killed in between.
import {
  appendFileSync,
  fdatasync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { silentLogger } from '../log.ts';
import { createJournalReader, type JournalOptions, openJournal } from './journal.ts';

const log = silentLogger();
const daemon = 'grec-mediad';

function open(directory: string, more: Partial<JournalOptions> = {}) {
  return openJournal({ directory, daemon, log, ...more });
}

const ringing = (call: string) => ({ type: 'call.ringing' as const, call });

t.test('events come back in order, each with its number, and once', async (t) => {
  const directory = t.testdir();
  const journal = open(directory);
  const reader = createJournalReader({ directory, daemon });
  const one = journal.append(ringing('1'));
  t.match(one, { seq: 1, daemon, type: 'call.ringing', call: '1' });
  t.ok(Math.abs(one.at - Date.now() * 1000) < 5e6, 'microseconds since 1970');
  journal.append(ringing('2'));
  const first = reader.read();
  t.strictSame(first.events[0], one);
  t.strictSame(
    first.events.map(({ seq }) => seq),
    [1, 2],
  );
  t.strictSame(reader.read().events, []);
  journal.append(ringing('3'));
  t.strictSame(
    reader.read().events.map(({ seq }) => seq),
    [3],
  );
  await journal.close();
});

t.test('the number goes on after a restart, and a checkpoint is all a reader needs', async (t) => {
  const directory = t.testdir();
  const journal = open(directory);
  for (let n = 1; n <= 5; n += 1) journal.append(ringing(String(n)));
  await journal.close();
  const { events, checkpoint } = createJournalReader({ directory, daemon }).read(3);
  t.equal(events.length, 3);
  const again = open(directory);
  t.equal(again.append(ringing('6')).seq, 6);
  await again.close();
  const rest = createJournalReader({ directory, daemon }, checkpoint).read();
  t.strictSame(
    rest.events.map(({ seq }) => seq),
    [4, 5, 6],
  );
  t.strictSame(rest.problems, []);
});

t.test('files rotate, and reading passes from one to the next', async (t) => {
  const directory = t.testdir();
  const journal = open(directory, { rotateBytes: 200 });
  for (let n = 1; n <= 20; n += 1) journal.append(ringing(String(n)));
  await journal.close();
  const files = readdirSync(join(directory, daemon));
  t.ok(files.length > 3, `${files.length} files`);
  t.equal(files[0], '0000000001.jsonl');
  const reader = createJournalReader({ directory, daemon });
  const seen: number[] = [];
  for (let batch = reader.read(3); batch.events.length > 0; batch = reader.read(3)) {
    t.strictSame(batch.problems, []);
    seen.push(...batch.events.map(({ seq }) => seq));
  }
  t.strictSame(
    seen,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
});

t.test('a cut at any byte leaves the whole lines, and the next start goes on after them', async (t) => {
  const directory = t.testdir();
  const journal = open(directory);
  for (let n = 1; n <= 3; n += 1) journal.append(ringing(String(n)));
  await journal.close();
  const file = join(directory, daemon, '0000000001.jsonl');
  const whole = readFileSync(file);
  for (let cut = 0; cut <= whole.length; cut += 1) {
    writeFileSync(file, whole.subarray(0, cut));
    const lines = whole.subarray(0, cut).filter((byte) => byte === 10).length;
    const before = createJournalReader({ directory, daemon }).read();
    const again = open(directory);
    const { seq } = again.append(ringing('after'));
    await again.close();
    const { events, problems } = createJournalReader({ directory, daemon }).read();
    const isRight =
      before.events.length === lines &&
      seq === lines + 1 &&
      events.length === lines + 1 &&
      problems.length === 0;
    if (!isRight) t.fail(`cut at ${cut}: ${JSON.stringify({ lines, seq, read: events.length, problems })}`);
  }
  t.pass(`${whole.length} cuts`);
});

t.test('a half last line is left for the next time', async (t) => {
  const directory = t.testdir();
  const journal = open(directory);
  journal.append(ringing('1'));
  await journal.close();
  const file = join(directory, daemon, '0000000001.jsonl');
  const line = `${JSON.stringify({ seq: 2, at: 5, daemon, ...ringing('2') })}\n`;
  appendFileSync(file, line.slice(0, 10));
  const reader = createJournalReader({ directory, daemon });
  t.equal(reader.read().events.length, 1);
  appendFileSync(file, line.slice(10));
  const { events, problems } = reader.read();
  t.match(events, [{ seq: 2 }]);
  t.strictSame(problems, []);
});

t.test('bad lines are reported and passed over', async (t) => {
  const directory = t.testdir();
  const journal = open(directory);
  journal.append(ringing('1'));
  await journal.close();
  appendFileSync(join(directory, daemon, '0000000001.jsonl'), 'nonsense\n{"seq":3,"type":"no.such"}\n');
  const again = open(directory);
  t.equal(again.append(ringing('4')).seq, 4);
  await again.close();
  const { events, problems } = createJournalReader({ directory, daemon }).read();
  t.strictSame(
    events.map(({ seq }) => seq),
    [1, 4],
  );
  t.match(problems, [{ message: 'not JSON' }, { message: /not an event/ }]);
});

t.test('a journal cut below the checkpoint, or replaced, is read again and said to be', async (t) => {
  const directory = t.testdir();
  const journal = open(directory);
  for (let n = 1; n <= 3; n += 1) journal.append(ringing(String(n)));
  await journal.close();
  const { checkpoint } = createJournalReader({ directory, daemon }).read();
  truncateSync(join(directory, daemon, '0000000001.jsonl'), 0);
  const again = open(directory);
  again.append(ringing('new'));
  await again.close();
  const cut = createJournalReader({ directory, daemon }, checkpoint).read();
  t.match(cut.events, [{ seq: 1, call: 'new' }]);
  t.match(cut.problems, [{ message: /shorter/ }]);
  const gone = createJournalReader(
    { directory, daemon },
    { file: '0000000900.jsonl', offset: 3, seq: 905 },
  ).read();
  t.match(gone.events, [{ seq: 1 }]);
  t.match(gone.problems, [{ message: /gone/ }]);
  t.strictSame(createJournalReader({ directory: join(directory, 'none'), daemon }).read(), {
    events: [],
    checkpoint: undefined,
    problems: [],
  });
});

t.test('a full disk delays events and never reaches the caller', async (t) => {
  const directory = t.testdir();
  let room = Number.POSITIVE_INFINITY;
  const io = {
    writeSync(fd: number, bytes: Buffer) {
      const fits = bytes.subarray(0, room);
      room -= fits.length;
      if (fits.length === 0) throw new Error('ENOSPC: no space left on device');
      return writeSync(fd, fits);
    },
    ftruncateSync,
    fdatasync,
  };
  const journal = open(directory, { io, retryIntervalMs: 5 });
  journal.append(ringing('1'));
  room = 10;
  t.equal(journal.append(ringing('2')).seq, 2, 'half of this line would fit');
  t.equal(journal.append(ringing('3')).seq, 3);
  t.equal(journal.pending, 2);
  t.equal(
    readFileSync(join(directory, daemon, '0000000001.jsonl'), 'utf8').split('\n').length,
    2,
    'no half line',
  );
  room = Number.POSITIVE_INFINITY;
  while (journal.pending > 0) await delay(2);
  journal.append(ringing('4'));
  await journal.close();
  const { events, problems } = createJournalReader({ directory, daemon }).read();
  t.strictSame(
    events.map(({ seq }) => seq),
    [1, 2, 3, 4],
  );
  t.strictSame(problems, []);
});

t.test('an endless full disk loses events that are counted, and the reader sees the gap', async (t) => {
  const directory = t.testdir();
  let isFull = true;
  const io = {
    writeSync(fd: number, bytes: Buffer) {
      if (isFull) throw new Error('ENOSPC');
      return writeSync(fd, bytes);
    },
    ftruncateSync,
    fdatasync,
  };
  const journal = open(directory, { io, retryIntervalMs: 60_000 });
  for (let n = 0; n < 10_005; n += 1) journal.append(ringing(String(n)));
  t.equal(journal.pending, 10_000);
  t.equal(journal.lost, 5);
  isFull = false;
  await journal.close();
  const again = open(directory);
  again.append(ringing('after'));
  await again.close();
  t.equal(createJournalReader({ directory, daemon }).read(20_000).events.length, 10_001);
});

t.test('a journal that closes with events waiting leaves no timer behind', async (t) => {
  const directory = t.testdir();
  let isFull = true;
  const synced: number[] = [];
  const io = {
    writeSync(fd: number, bytes: Buffer) {
      if (isFull) throw new Error('ENOSPC');
      return writeSync(fd, bytes);
    },
    ftruncateSync,
    fdatasync(fd: number, done: (error: Error | null) => void) {
      synced.push(fd);
      done(null);
    },
  };
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  t.teardown(() => mock.timers.reset());
  const journal = open(directory, { io, retryIntervalMs: 60_000 });
  journal.append(ringing('1'));
  isFull = false;
  await journal.close();
  mock.timers.tick(120_000);
  t.strictSame(synced, [], 'closing syncs by itself, and nothing does after it');
  t.equal(createJournalReader({ directory, daemon }).read().events.length, 1);
});

t.test('a folder that cannot be used is refused with a reason', async (t) => {
  const directory = t.testdir({ file: 'not a folder' });
  t.throws(() => open(join(directory, 'file')), { code: 'STATE_UNUSABLE' });
});

t.test('a journal that lost its end and was written on is read again, not from the middle', async (t) => {
  const directory = t.testdir();
  const journal = open(directory);
  for (let n = 1; n <= 5; n += 1) journal.append(ringing(String(n)));
  await journal.close();
  const { checkpoint } = createJournalReader({ directory, daemon }).read();
  const [name = ''] = readdirSync(join(directory, daemon));
  const file = join(directory, daemon, name);
  truncateSync(file, readFileSync(file).length - 150);
  const again = open(directory);
  for (let n = 1; n <= 4; n += 1) again.append(ringing(`new ${n}`));
  await again.close();
  const { events, problems } = createJournalReader({ directory, daemon }, checkpoint).read();
  t.strictSame(
    events.map((event) => 'call' in event && event.call),
    ['1', '2', '3', 'new 1', 'new 2', 'new 3', 'new 4'],
  );
  t.match(problems, [{ file: name, message: /read again/ }]);
  t.equal(problems.length, 1);
});

t.test('a journal that was removed begins anew, and its reader goes on', async (t) => {
  const directory = t.testdir();
  const journal = open(directory);
  const reader = createJournalReader({ directory, daemon });
  journal.append(ringing('1'));
  t.equal(reader.read().events.length, 1);
  rmSync(join(directory, daemon), { recursive: true });
  t.match(reader.read(), { events: [], problems: [{ message: /is gone/ }] });
  t.match(reader.read(), { events: [], problems: [] }, 'told once');
  const found: string[] = [];
  for (let n = 2; found.length === 0; n += 1) {
    journal.append(ringing(String(n)));
    found.push(...reader.read().events.flatMap((event) => ('call' in event ? [String(event.call)] : [])));
    await delay(20);
  }
  t.ok(Number(found[0]) > 1, `event ${found[0]} is the first in the new file`);
  await journal.close();
});

t.test('what may wait is written together soon, and before what may not', async (t) => {
  const directory = t.testdir();
  const writes: string[] = [];
  const io: JournalOptions['io'] = {
    writeSync: (fd, bytes) => {
      writes.push(bytes.toString());
      return writeSync(fd, bytes);
    },
    ftruncateSync,
    fdatasync,
  };
  const journal = open(directory, { io });
  const reader = createJournalReader({ directory, daemon });
  t.equal(journal.appendSoon(ringing('1')).seq, 1);
  journal.appendSoon(ringing('2'));
  t.equal(writes.length, 0);
  while (writes.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(writes.length, 1);
  journal.appendSoon(ringing('3'));
  journal.append(ringing('4'));
  t.equal(writes.length, 2, 'at once, and in order');
  journal.appendSoon(ringing('5'));
  await journal.close();
  t.strictSame(
    reader.read().events.map(({ seq, ...event }) => [seq, 'call' in event && event.call]),
    [1, 2, 3, 4, 5].map((seq) => [seq, `${seq}`]),
  );
});

t.test('a batch that the disk takes half of waits whole, and is not there twice', async (t) => {
  const directory = t.testdir();
  const disk = { room: 100 };
  const io: JournalOptions['io'] = {
    writeSync: (fd, bytes) => writeSync(fd, bytes.subarray(0, disk.room)),
    ftruncateSync,
    fdatasync,
  };
  const journal = open(directory, { io, retryIntervalMs: 60_000 });
  journal.appendSoon(ringing('1'));
  journal.appendSoon(ringing('2'));
  const isPending = async (events: number) => {
    while (journal.pending < events) await new Promise((resolve) => setImmediate(resolve));
  };
  await isPending(2);
  journal.appendSoon(ringing('3'));
  await isPending(3);
  t.equal(journal.pending, 3);
  disk.room = 1e6;
  await journal.close();
  const { events, problems } = createJournalReader({ directory, daemon }).read();
  t.same([events.map(({ seq }) => seq), problems], [[1, 2, 3], []]);
});
