// Times as an operator types them.
import { GrecError } from '../errors.ts';

const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * A point in time: `2026-01-31`, `2026-01-31T09:00`, `2026-01-31 09:00:15` (local, or with Z or an offset), `today`,
 * `yesterday`, `now`, or how long ago: `30m`, `2h`, `7d`, `1w`.
 * @param now milliseconds since 1970
 * @returns milliseconds since 1970
 * @throws GrecError USAGE
 */
export function readTime(text: string, now: number): number {
  const at = wordTime(text, now) ?? agoTime(text, now) ?? calendarTime(text);
  if (at !== undefined) return at;
  throw new GrecError('USAGE', `${JSON.stringify(text)} is not a time`, {
    hint: 'accepted: 2026-01-31, 2026-01-31T09:00, 2026-01-31T09:00:00Z, today, yesterday, 30m, 2h, 7d, 1w',
  });
}

function wordTime(text: string, now: number): number | undefined {
  if (text === 'now') return now;
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  if (text === 'today') return midnight.getTime();
  // The day before may have had 23 or 25 hours.
  if (text === 'yesterday') return midnight.setDate(midnight.getDate() - 1);
  return undefined;
}

function agoTime(text: string, now: number): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  const factor = UNIT_MS[unit];
  return factor === undefined ? undefined : now - Number(count) * factor;
}

function calendarTime(text: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(
    text,
  );
  if (match === null) return undefined;
  const [, year, month, day, clock = '00:00', zone = ''] = match;
  const at = Date.parse(`${year}-${month}-${day}T${clock}${zone}`);
  // Date.parse takes the 31st of February for a day in March.
  const lastDay = new Date(Number(year), Number(month), 0).getDate();
  return Number.isNaN(at) || Number(day) > lastDay ? undefined : at;
}
