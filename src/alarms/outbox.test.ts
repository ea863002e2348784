// An alarm is told until its target has it: in order, after failures, after a restart, and not for ever.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { v7 } from 'uuid';
import type { Alarm } from './alarm.ts';
import { Outbox } from './outbox.ts';

function alarmOf(alarm: string, ageS = 0): Alarm {
  const time = new Date(Date.now() - ageS * 1000).toISOString();
  const what = { alarm, message: 'm', facts: {}, repeated: 0, severity: 'error' as const };
  return { id: v7(), time, host: 'here', daemon: 'grec-procd', ...what };
}

function open(t: Test, tell: (alarm: Alarm) => void, directory = join(t.testdir({}), 'out')) {
  const log: string[] = [];
  const outbox = new Outbox({
    directory,
    name: 'webhook',
    tell: async (alarm) => tell(alarm),
    log: pino({ level: 'info' }, { write: (line) => void log.push(line) }),
    retryForS: 60,
    firstRetryMs: 1,
  });
  return { outbox, log, directory };
}

const empty = async (outbox: Outbox) => {
  while (outbox.waiting > 0) await new Promise((resolve) => setImmediate(resolve));
};

t.test('in order, and nothing is left behind', async (t) => {
  const told: string[] = [];
  const { outbox, directory, log } = open(t, ({ alarm }) => void told.push(alarm));
  for (const name of ['one', 'two', 'three']) outbox.add(alarmOf(name));
  t.equal(readdirSync(directory).length, 3);
  await empty(outbox);
  t.same(told, ['one', 'two', 'three']);
  t.same(readdirSync(directory), []);
  t.same(log, []);
});

t.test('a target that refuses is asked again, and told of once; the next one waits behind it', async (t) => {
  const told: string[] = [];
  let refusals = 3;
  const { outbox, log } = open(t, ({ alarm }) => {
    if (refusals-- > 0) throw new Error('busy');
    told.push(alarm);
  });
  outbox.add(alarmOf('one'));
  outbox.add(alarmOf('two'));
  await empty(outbox);
  t.same(told, ['one', 'two']);
  t.match(
    log.map((line) => JSON.parse(line).msg),
    [/not taken.*: busy$/, 'alarms are told again'],
  );
});

t.test('what waits outlives the process; what a crash cut off, or is none, does not matter', async (t) => {
  const { outbox, directory } = open(t, () => {
    throw new Error('down');
  });
  const alarm = alarmOf('kept');
  outbox.add(alarm);
  await outbox.close(1000);
  t.equal(readdirSync(directory).length, 1);
  writeFileSync(join(directory, `${v7()}.json`), '{"id":"');
  mkdirSync(join(directory, 'other'));
  const told: Alarm[] = [];
  const next = open(t, (one) => void told.push(one), directory);
  await empty(next.outbox);
  t.same(told, [alarm]);
  t.same(readdirSync(directory), ['other']);
});

t.test('one that is too old is given up, and the log says so', async (t) => {
  const { outbox, log } = open(t, ({ alarm }) => {
    if (alarm === 'old') throw new Error('down');
  });
  outbox.add(alarmOf('old', 61));
  outbox.add(alarmOf('new'));
  await empty(outbox);
  t.match(JSON.parse(log[0] ?? ''), { raised: 'old', msg: 'an alarm was told to nobody: down' });
});

t.test('without a disk it is told all the same; a flood is bounded', async (t) => {
  const directory = join(t.testdir({ file: '' }), 'file', 'out');
  const told: Alarm[] = [];
  const { outbox, log } = open(t, (one) => void told.push(one), directory);
  for (let count = 0; count < 1500; count += 1) outbox.add(alarmOf('flood'));
  t.equal(outbox.waiting, 1000);
  await empty(outbox);
  t.equal(told.length, 1000);
  t.match(
    log.map((line) => JSON.parse(line).msg),
    [/cannot be read/, /cannot be kept for later/],
    'once',
  );
  t.equal(log.length, 2);
});
