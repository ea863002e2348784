// How long a recording is kept, by the classes that apply to it. Pure.
import { DEFAULT_CLASS, endOf, type Period, type RetentionClass, readPeriod } from '../config-retention.ts';

/** What the classes look at. */
export interface Kept {
  /** When the recording ends, milliseconds since 1970. */
  stopTime: number;
  /** The class that its DN, its agent or the strategy named. */
  retention: string | undefined;
  labels: readonly string[];
}

export interface Ruling {
  /** Until when it must not go, and when it has to: milliseconds since 1970, or infinite. */
  keepUntil: number;
  deleteAt: number;
  /** By which rule it is deleted, or kept. */
  rule: string;
  /** The class that it names, which is not configured. */
  unknown?: string;
}

/**
 * The minimum of every class that applies holds. When it is deleted is said by the classes of its labels, of which the longest counts;
 * without one by the class that it names; else by the default. One that names a class nobody knows stays.
 */
export function rulingOn(classes: readonly RetentionClass[], kept: Kept): Ruling {
  const { stopTime, retention, labels } = kept;
  const ofLabels = classes.filter((one) => one.label.some((label) => labels.includes(label)));
  const named = classes.find(({ name }) => name === (retention ?? DEFAULT_CLASS));
  if (retention !== undefined && named === undefined) {
    const rule = `its class ${JSON.stringify(retention)} is not configured`;
    return { keepUntil: Infinity, deleteAt: Infinity, rule, unknown: retention };
  }
  const applying = [...new Set([...ofLabels, ...(named === undefined ? [] : [named])])];
  const deciding = ofLabels.length > 0 ? ofLabels : applying;
  if (deciding.length === 0) return { keepUntil: -Infinity, deleteAt: Infinity, rule: 'no class applies' };
  const longest = (one: RetentionClass, other: RetentionClass) =>
    deletionOf(other, stopTime) > deletionOf(one, stopTime) ? other : one;
  const last = deciding.reduce(longest);
  const keepUntil = Math.max(...applying.map(({ keep }) => endOf(stopTime, periodOf(keep))));
  return { keepUntil, deleteAt: deletionOf(last, stopTime), rule: `${last.name}: delete = ${last.delete}` };
}

/** Whether it has to go now. @param now milliseconds since 1970 */
export function isDue({ keepUntil, deleteAt }: Ruling, now: number): boolean {
  return now >= deleteAt && now >= keepUntil;
}

/** Recordings that ended after this are due by no class: milliseconds since 1970, `-Infinity` when none ever is. */
export function latestDue(classes: readonly RetentionClass[], now: number): number {
  const spans = classes.map((one) => deletionOf(one, 0));
  const shortest = Math.min(Infinity, ...spans);
  // A month may have three days less than another one.
  return now - shortest * 0.9;
}

function deletionOf({ delete: written }: RetentionClass, stopTime: number): number {
  return written === 'never' ? Infinity : endOf(stopTime, periodOf(written));
}

/** What the configuration let through. */
function periodOf(written: string): Period {
  return readPeriod(written) ?? { count: Infinity, unit: 'h', text: written };
}
