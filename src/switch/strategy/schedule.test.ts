// Times of the day and of the week, across midnight and across changes of the clock.
import fc from 'fast-check';
import t from 'tap';
import { isScheduled, isTimeZone, readDays, readSpan, type Schedule } from './schedule.ts';

const BERLIN = 'Europe/Berlin';

function schedule(days: string[], hours: string[], zone: string | undefined = BERLIN): Schedule {
  return {
    days: days.length === 0 ? undefined : new Set(days.flatMap((text) => readDays(text) ?? [])),
    spans: hours.flatMap((text) => readSpan(text) ?? []),
    zone,
  };
}

const holds = (one: Schedule, at: string) => isScheduled(one, Date.parse(at));

t.test('days', async (t) => {
  t.same(readDays('mon'), [0]);
  t.same(readDays('mon-fri'), [0, 1, 2, 3, 4]);
  t.same(readDays('Sat-Mon'), [5, 6, 0]);
  t.same(readDays('sun-sun'), [6]);
  for (const text of ['', 'monday', 'mon-', 'mon-tue-wed', '-', 'mon,tue'])
    t.equal(readDays(text), undefined);
});

t.test('hours', async (t) => {
  t.same(readSpan('09:00-17:30'), { from: 540, to: 1050 });
  t.same(readSpan('22:00-06:00'), { from: 1320, to: 360 });
  t.same(readSpan('18:00-24:00'), { from: 1080, to: 1440 });
  for (const text of ['', '9-17', '24:00-01:00', '09:00-09:00', '09:60-10:00', '09:00-25:00', '09:00'])
    t.equal(readSpan(text), undefined, text);
});

t.test('office hours in Berlin, in winter and in summer', async (t) => {
  const office = schedule(['mon-fri'], ['09:00-17:30']);
  t.ok(holds(office, '2026-01-05T08:00:00Z'), 'Monday nine');
  t.notOk(holds(office, '2026-01-05T07:59:59Z'), 'just before');
  t.ok(holds(office, '2026-07-06T07:00:00Z'), 'summer: an hour earlier in UTC');
  t.notOk(holds(office, '2026-01-05T16:30:00Z'), 'the end is not part of it');
  t.notOk(holds(office, '2026-01-10T10:00:00Z'), 'Saturday');
});

t.test('a span across midnight belongs to the day on which it began', async (t) => {
  const night = schedule(['fri'], ['22:00-06:00']);
  t.ok(holds(night, '2026-01-09T21:00:00Z'), 'Friday at ten');
  t.ok(holds(night, '2026-01-10T04:59:00Z'), 'Saturday before six');
  t.notOk(holds(night, '2026-01-09T04:00:00Z'), 'Friday before six is Thursday night');
  t.ok(holds(schedule(['sun'], ['23:00-01:00']), '2026-01-11T23:30:00Z'), 'Monday half past midnight');
});

t.test('days alone, hours alone, nothing', async (t) => {
  t.ok(holds(schedule(['sat'], []), '2026-01-10T10:00:00Z'));
  t.notOk(holds(schedule(['sat'], []), '2026-01-09T10:00:00Z'));
  t.ok(holds(schedule([], ['10:00-12:00']), '2026-01-10T10:00:00Z'));
  t.ok(holds(schedule([], [], undefined), '2026-01-10T10:00:00Z'));
});

t.test('time zones', async (t) => {
  t.ok(isTimeZone(BERLIN));
  t.notOk(isTimeZone('Europe/Bielefeld'));
  t.notOk(isTimeZone(''));
});

t.test('two spans that make up a day hold always, and never both', async () => {
  const minute = fc.integer({ min: 0, max: 1439 });
  const at = fc.integer({ min: 0, max: 2 ** 41 });
  const write = (value: number) =>
    `${String(Math.floor(value / 60)).padStart(2, '0')}:${String(value % 60).padStart(2, '0')}`;
  fc.assert(
    fc.property(minute, minute, at, (one, other, now) => {
      fc.pre(one !== other);
      const first = isScheduled(schedule([], [`${write(one)}-${write(other)}`]), now);
      const second = isScheduled(schedule([], [`${write(other)}-${write(one)}`]), now);
      return first !== second;
    }),
  );
});
