// Retention classes: which one decides, until when a recording is kept, and when it is due.
import t from 'tap';
import { checkConfig } from '../config.ts';
import type { RetentionClass } from '../config-retention.ts';
import { endOf, readPeriod } from '../config-retention.ts';
import { isDue, latestDue, rulingOn } from './retention.ts';

const DAY = 86_400_000;
const STOP = Date.UTC(2026, 0, 31, 9);

function classes(toml: string): readonly RetentionClass[] {
  const { values, problems } = checkConfig(toml);
  t.same(problems, []);
  return values?.retention ?? [];
}

const CLASSES = classes(`
  [[retention]]
  name = "default"
  delete = "90d"
  [[retention]]
  name = "year"
  keep = "1y"
  delete = "1y"
  [[retention]]
  name = "dispute"
  label = ["dispute", "complaint"]
  keep = "2y"
  delete = "3y"
  [[retention]]
  name = "private"
  label = "private"
  delete = "0d"
  [[retention]]
  name = "archive"
`);

const ruling = (retention?: string, ...labels: string[]) =>
  rulingOn(CLASSES, { stopTime: STOP, retention, labels });

t.test('the class that it names decides, the default without one', async (t) => {
  t.match(ruling(), { deleteAt: STOP + 90 * DAY, rule: 'default: delete = 90d' });
  t.match(ruling('year'), { keepUntil: Date.UTC(2027, 0, 31, 9), deleteAt: Date.UTC(2027, 0, 31, 9) });
  t.match(ruling('archive'), { deleteAt: Infinity });
  t.notOk(isDue(ruling(), STOP + 90 * DAY - 1));
  t.ok(isDue(ruling(), STOP + 90 * DAY));
});

t.test('labels go before it, the longest of them; every minimum holds', async (t) => {
  t.match(ruling('year', 'complaint'), { deleteAt: Date.UTC(2029, 0, 31, 9), rule: 'dispute: delete = 3y' });
  t.match(ruling(undefined, 'private'), { deleteAt: STOP, rule: 'private: delete = 0d' });
  const inMinimum = ruling('year', 'private');
  t.match(inMinimum, { deleteAt: STOP, keepUntil: Date.UTC(2027, 0, 31, 9) });
  t.notOk(isDue(inMinimum, STOP + 364 * DAY));
  t.ok(isDue(inMinimum, STOP + 365 * DAY));
  t.match(ruling(undefined, 'private', 'dispute'), { deleteAt: Date.UTC(2029, 0, 31, 9) });
  t.match(ruling(undefined, 'other'), { rule: 'default: delete = 90d' });
});

t.test('what names a class that is not configured, or has none, stays', async (t) => {
  t.match(ruling('decade'), { deleteAt: Infinity, keepUntil: Infinity, unknown: 'decade' });
  t.match(ruling('decade', 'private'), { deleteAt: Infinity });
  const none = rulingOn([], { stopTime: STOP, retention: undefined, labels: [] });
  t.notOk(isDue(none, Number.MAX_SAFE_INTEGER));
});

t.test('months and years are those of the calendar, and never shorter', async (t) => {
  const end = (written: string, at: number) => {
    const period = readPeriod(written);
    return period && new Date(endOf(at, period)).toISOString().slice(0, 10);
  };
  t.equal(end('1mo', STOP), '2026-03-01');
  t.equal(end('6mo', Date.UTC(2026, 7, 15)), '2027-02-15');
  t.equal(end('1y', Date.UTC(2028, 1, 29)), '2029-03-01');
  t.equal(end('2w', STOP), '2026-02-14');
  t.equal(end('36h', STOP), '2026-02-01');
});

t.test('nothing that is due lies after the latest time that can be', async (t) => {
  for (const written of ['1mo', '13mo', '1y', '10y', '90d', '0h']) {
    const [one] = classes(`[[retention]]\nname = "x"\ndelete = "${written}"`);
    if (one === undefined) throw new Error('no class');
    for (let month = 0; month < 24; month += 1) {
      const stopTime = Date.UTC(2026, month, 28);
      const { deleteAt } = rulingOn([one], { stopTime, retention: 'x', labels: [] });
      t.ok(stopTime <= latestDue([one], deleteAt), `${written}, month ${month}`);
    }
  }
  t.equal(latestDue([], STOP), -Infinity);
});

t.test('mistakes in classes are told with their line', async (t) => {
  const problems = (toml: string) =>
    checkConfig(toml).problems.map(({ line, key, message }) => `${line} ${key}: ${message}`);
  t.match(problems('[[retention]]\nname = "x"\nkeep = "2y"\ndelete = "1y"'), [
    /^4 retention\[0\]\.delete: it is shorter than keep/,
  ]);
  t.match(problems('[[retention]]\nname = "x"\n[[retention]]\nname = "x"'), [/^4 .*already/]);
  t.match(problems('[[retention]]\nname = "X Y"'), [/^2 .*name of a retention class/]);
  t.match(problems('[[retention]]\nname = "x"\nkeep = "soon"'), [/^3 .*expected a time/]);
  t.match(problems('[[retention]]\nname = "x"\ndelete = 90'), [/^3 .*or "never"/]);
  t.match(problems('[[retention]]\nname = "x"\nlabel = ["a b"]'), [/^3 .*label/]);
  t.match(problems('[[retention]]\nname = "x"\nlabels = ["a"]'), [
    /unknown key; accepted here: name, label, keep, delete/,
  ]);
  t.match(problems('[retention]\nname = "x"'), [/\[\[retention\]\]/]);
  t.match(problems('[archive]\ncaptures = "never"'), [/or "forever"/]);
});
