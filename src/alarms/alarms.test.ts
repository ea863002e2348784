// Lines of the log that name an alarm are told, the same one once a minute, and without secrets.
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Config } from '../config.ts';
import { createLogger } from '../log.ts';
import type { Alarm } from './alarm.ts';
import { Alarms } from './alarms.ts';

async function open(t: Test, sameMs = 60_000) {
  const folder = t.testdir({ hook: '#!/bin/sh\ncat >> "$(dirname "$0")/told"\n', told: '' });
  chmodSync(join(folder, 'hook'), 0o755);
  const alarms = new Alarms('grec-procd', sameMs);
  const log = createLogger({
    name: 'grec-procd',
    level: 'info',
    destination: { write: () => undefined },
    onAlarm: (line) => alarms.take(line),
  });
  const values = { 'retry-for': 60, command: [join(folder, 'hook')] };
  const config = { alarms: values, paths: { alarms: join(folder, 'alarms') } } as unknown as Config;
  await alarms.use(config, log);
  t.teardown(() => alarms.close());
  const told = (): Alarm[] =>
    readFileSync(join(folder, 'told'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Alarm);
  const until = async (count: number) => {
    while (told().length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    return told();
  };
  return { alarms, log, told, until, config };
}

t.test(
  'what a line says, and what its logger knows; lines without an alarm are nobody’s business',
  async (t) => {
    const { log, until, alarms } = await open(t);
    log.error('nothing');
    log.info({ alarm: 'spool-space' }, 'there is room again');
    log
      .child({ call: 'c1' })
      .error({ alarm: 'recording-failed', reason: 'r', password: 'hush' }, 'recording failed');
    const [alarm] = await until(1);
    t.match(alarm, {
      daemon: 'grec-procd',
      severity: 'error',
      alarm: 'recording-failed',
      message: 'recording failed',
      repeated: 0,
    });
    t.same(alarm?.facts, { call: 'c1', reason: 'r', password: '[secret]' });
    t.equal(alarms.targets, 1);
  },
);

t.test('the same alarm is told once in a while, with how often it came; another one at once', async (t) => {
  const { log, until } = await open(t, 200);
  for (let count = 0; count < 5; count += 1) log.error({ alarm: 'overload', count }, 'busy');
  log.warn({ alarm: 'recording-failed', recording: 'a' }, 'a');
  log.warn({ alarm: 'recording-failed', recording: 'b' }, 'b');
  const told = await until(4);
  t.match(
    told.map(({ alarm, repeated }) => [alarm, repeated]),
    [
      ['overload', 0],
      ['recording-failed', 0],
      ['recording-failed', 0],
      ['overload', 4],
    ],
  );
  t.match(told[3]?.facts, { count: 4 });
});

t.test('what was held back is told at the end; without a target nothing is done', async (t) => {
  const { alarms, log, told, config } = await open(t);
  log.error({ alarm: 'overload' }, 'busy');
  log.error({ alarm: 'overload' }, 'busy again');
  await alarms.close();
  t.same(
    told().map(({ message }) => message),
    ['busy', 'busy again'],
  );
  await alarms.use({ ...config, alarms: { 'retry-for': 60 } }, log);
  log.error({ alarm: 'other' }, 'nobody hears');
  t.equal(alarms.targets, 0);
  t.equal(told().length, 2);
});
