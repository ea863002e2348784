// The shape of a strategy file, and of a decision in JSON: the keys that each table takes, and their values.
import * as v from 'valibot';
import { settingEntries } from '../../dn-settings.ts';
import { flag, oneOf, table, text, within } from '../../toml-schema.ts';
import { NUMBER, numberPatternProblem, textPatternProblem } from './pattern.ts';
import { isTimeZone, readDays, readSpan } from './schedule.ts';
import { RECORD_WORDS, RINGS } from './strategy.ts';

/** How long each DN rings before the next one's turn, in seconds. */
const RING_TIME_S = 20;
const MOST_DNS = 32;
const MOST_DATA = 64;
const LONGEST_VALUE = 1024;
/** A challenge is not the strategy's to make (RFC 3261 section 22). */
const CHALLENGES = [401, 407];

const isPrintable = (value: string) => !/\p{Cc}/u.test(value);

/** A string about which `problem` has nothing to say. */
const checked = (what: string, problem: (value: string) => string | undefined) =>
  v.pipe(
    v.string(`expected ${what}`),
    v.check(
      (value) => problem(value) === undefined,
      ({ input }) => problem(input) ?? `expected ${what}`,
    ),
  );

/** One value, or a list of them; a list in the end. */
const oneOrMore = <const T extends v.GenericSchema<string>>(item: T, what: string) =>
  v.pipe(
    v.union(
      [item, v.pipe(v.array(item), v.minLength(1, `expected ${what}, not an empty list`))],
      `expected ${what}, or a list of them`,
    ),
    v.transform((value): string[] => (Array.isArray(value) ? value : [value])),
  );

const numberPatterns = v.optional(
  oneOrMore(checked('a pattern of numbers, such as "70XX"', numberPatternProblem), 'a pattern of numbers'),
);
const textPatterns = v.optional(
  oneOrMore(checked('a pattern, such as "Acme*"', textPatternProblem), 'a pattern'),
);
const timeZone = checked('a time zone', (name) =>
  isTimeZone(name) ? undefined : 'expected a time zone of the IANA data base, such as "Europe/Berlin"',
);
const days = checked('days', (value) =>
  readDays(value) === undefined ? 'expected days, such as "mon-fri" or "sun"' : undefined,
);
const hours = checked('hours', (value) =>
  readSpan(value) === undefined ? 'expected hours, such as "09:00-17:30" or "22:00-06:00"' : undefined,
);
const PERCENT = 'expected a number from 0 to 100';
const HEADER_NAME = 'expected the name of a SIP header';

const match = table({
  from: numberPatterns,
  to: numberPatterns,
  dn: numberPatterns,
  trunk: textPatterns,
  headers: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[A-Za-z0-9.!%*_+`'~-]{1,64}$/, HEADER_NAME)),
      oneOrMore(checked('a pattern', textPatternProblem), 'a pattern'),
    ),
  ),
  days: v.optional(oneOrMore(days, 'days')),
  hours: v.optional(oneOrMore(hours, 'hours')),
  'time-zone': v.optional(timeZone),
  percent: v.optional(v.pipe(v.number(PERCENT), v.minValue(0, PERCENT), v.maxValue(100, PERCENT))),
});

const dn = checked('a DN', (number) =>
  NUMBER.test(number) ? undefined : 'expected a DN: 1 to 32 of digits, letters and + * # _ . -',
);
const DNS = `expected ${MOST_DNS} DNs at most`;

const KEY = 'expected a key of 1 to 64 letters, digits and _ . -';
const VALUE = `expected a string of ${LONGEST_VALUE} printable characters at most`;
const attach = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,64}$/, KEY)),
    v.pipe(v.string(VALUE), v.maxLength(LONGEST_VALUE, VALUE), v.check(isPrintable, VALUE)),
    'expected a table',
  ),
  v.check((data) => Object.keys(data).length <= MOST_DATA, `expected ${MOST_DATA} keys at most`),
);

const REASON = 'expected a reason phrase of 1 to 64 printable characters';
const CODE = 'expected a status code from 400 to 699, 401 and 407 excepted';

const actionEntries = {
  record: v.optional(oneOf(RECORD_WORDS)),
  retention: v.optional(settingEntries.retention),
  attach: v.optional(attach),
  route: v.optional(
    table({
      dn: v.optional(v.pipe(oneOrMore(dn, 'a DN'), v.maxLength(MOST_DNS, DNS))),
      ring: v.optional(oneOf(RINGS), 'in-order'),
      'ring-time': v.optional(within(1, 600, 'a whole number of seconds'), RING_TIME_S),
      trunk: v.optional(text('the name of a trunk')),
      'routing-point': v.optional(dn),
    }),
  ),
  reject: v.optional(
    table({
      code: v.pipe(
        within(400, 699, 'a status code'),
        v.check((code) => !CHALLENGES.includes(code), CODE),
      ),
      reason: v.optional(
        v.pipe(
          v.string(REASON),
          v.minLength(1, REASON),
          v.maxLength(64, REASON),
          v.check(isPrintable, REASON),
        ),
      ),
    }),
  ),
};

/** What a decision in JSON may carry: the external strategy's answer. */
export const answerSchema = table(actionEntries);

const ruleActions = { ...actionEntries, external: v.optional(flag, false) };

const rule = table({
  name: v.pipe(text('a name'), v.maxLength(64, 'expected a name of 64 characters at most')),
  match: v.optional(match),
  ...ruleActions,
});
const rules = v.array(rule, 'expected [[rule]] tables');
const LIST = 'expected [[routing-point]] tables';

export const strategySchema = v.strictObject({
  'time-zone': v.optional(timeZone),
  external: v.optional(
    table({
      url: checked('a URL', urlProblem),
      timeout: v.optional(within(10, 30_000, 'a whole number of milliseconds'), 1000),
      fallback: text('the name of a rule'),
    }),
  ),
  default: v.optional(table(ruleActions)),
  rule: v.optional(rules, []),
  'routing-point': v.optional(v.array(table({ number: dn, rule: rules }), LIST), []),
});

export type StrategyValues = v.InferOutput<typeof strategySchema>;
export type RuleValues = v.InferOutput<typeof rule>;
export type MatchValues = v.InferOutput<typeof match>;
export type Actions = v.InferOutput<typeof answerSchema> & { external?: boolean };

function urlProblem(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    return 'expected a URL, such as "http://127.0.0.1:8080/route"';
  // It would stand in a file that others may read, and in every log.
  return url.username === '' && url.password === '' ? undefined : 'expected a URL without user and password';
}
