// [[retention]]: classes that say how long recordings are kept at least, and when they are deleted.
import * as v from 'valibot';
import { settingEntries } from './dn-settings.ts';
import { type Finding, isTable } from './toml-schema.ts';

/** The class of recordings that no other one applies to. */
export const DEFAULT_CLASS = 'default';
const MOST_CLASSES = 256;
const UNITS = ['h', 'd', 'w', 'mo', 'y'] as const;
type Unit = (typeof UNITS)[number];

/** A length of time: of calendar months and years in UTC, of days of 24 hours. */
export interface Period {
  count: number;
  unit: Unit;
  /** As it was written. */
  text: string;
}

const HOURS: Partial<Record<Unit, number>> = { h: 1, d: 24, w: 168 };
const HOUR_MS = 3_600_000;
const PERIOD = 'expected a time, such as "90d": a number of h, d, w, mo (months) or y (years)';

/** Undefined when it is none. */
export function readPeriod(written: string): Period | undefined {
  const [, count = '', unit] = /^(\d{1,5})(h|d|w|mo|y)$/.exec(written) ?? [];
  const known = UNITS.find((one) => one === unit);
  return known && { count: Number(count), unit: known, text: written };
}

/** @param at milliseconds since 1970 @returns when a period from then on is over */
export function endOf(at: number, { count, unit }: Period): number {
  const hours = HOURS[unit];
  if (hours !== undefined) return at + count * hours * HOUR_MS;
  const months = unit === 'y' ? count * 12 : count;
  const moved = new Date(at);
  const day = moved.getUTCDate();
  moved.setUTCMonth(moved.getUTCMonth() + months);
  // The 31st of a month that has none is the 1st of the next one: never earlier.
  if (moved.getUTCDate() !== day) moved.setUTCDate(1);
  return moved.getTime();
}

const period = v.pipe(
  v.string(PERIOD),
  v.check((written) => readPeriod(written) !== undefined, PERIOD),
);
const DELETE = `${PERIOD}; or "never"`;
const deletion = v.pipe(
  v.string(DELETE),
  v.check((written) => written === 'never' || readPeriod(written) !== undefined, DELETE),
);
const LABEL = 'expected a label of 1 to 64 letters, digits and _ . : -';
const LABELS = `${LABEL}, or a list of them`;
const label = v.pipe(v.string(LABEL), v.regex(/^[\p{L}\p{N}_.:-]{1,64}$/u, LABEL));

const classTable = v.strictObject({
  name: settingEntries.retention,
  label: v.optional(
    v.pipe(
      v.union([label, v.array(label, LABELS)], LABELS),
      v.transform((value): string[] => (Array.isArray(value) ? value : [value])),
    ),
    [],
  ),
  keep: v.optional(period, '0d'),
  delete: v.optional(deletion, 'never'),
});

const LIST = 'expected [[retention]] tables';
export const retentionClasses = v.optional(
  v.pipe(v.array(classTable, LIST), v.maxLength(MOST_CLASSES, `expected ${MOST_CLASSES} classes at most`)),
  [],
);
export type RetentionClass = v.InferOutput<typeof classTable>;

/** How long captures are kept that have become recordings: a time, or for ever. */
const KEPT = `${PERIOD}; or "forever"`;
export const capturesKept = v.pipe(
  v.string(KEPT),
  v.check((written) => written === 'forever' || readPeriod(written) !== undefined, KEPT),
);

/** Names that are used twice, and classes that would delete what they keep. */
export function findRetentionMistakes(raw: unknown): Finding[] {
  if (!isTable(raw) || !Array.isArray(raw['retention'])) return [];
  const seen = new Set<unknown>();
  return raw['retention'].flatMap((one: unknown, index): Finding[] => {
    if (!isTable(one)) return [];
    const { name } = one;
    const findings: Finding[] = [];
    if (seen.has(name))
      findings.push({
        path: ['retention', index, 'name'],
        message: `there is a class ${String(name)} already`,
      });
    seen.add(name);
    if (deletesWhatItKeeps(one))
      findings.push({
        path: ['retention', index, 'delete'],
        message: `it is shorter than keep, which is ${JSON.stringify(one['keep'])}`,
      });
    return findings;
  });
}

function deletesWhatItKeeps({ keep, delete: deleted }: Record<string, unknown>): boolean {
  const [kept, gone] = [keep, deleted].map((one) => (typeof one === 'string' ? readPeriod(one) : undefined));
  return kept !== undefined && gone !== undefined && endOf(0, gone) < endOf(0, kept);
}
