// Times of the day and of the week, in a time zone: when a rule holds.

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const MINUTES_A_DAY = 1440;

/** Minutes after midnight; `to` is not part of it, and is less than `from` when it is on the next day. */
interface Span {
  from: number;
  to: number;
}

export interface Schedule {
  /** 0 is Monday. Undefined: every day. */
  days: ReadonlySet<number> | undefined;
  spans: readonly Span[];
  /** IANA name; undefined for the system's zone. */
  zone: string | undefined;
}

/** The days of `mon`, `mon-fri`, `sat-mon`; undefined for anything else. */
export function readDays(text: string): number[] | undefined {
  const [first = '', last = first, ...more] = text.toLowerCase().split('-');
  const from = dayOf(first);
  const to = dayOf(last);
  if (from < 0 || to < 0 || more.length > 0) return undefined;
  const count = ((to - from + 7) % 7) + 1;
  return Array.from({ length: count }, (_, index) => (from + index) % 7);
}

function dayOf(name: string): number {
  return DAYS.indexOf(name);
}

/** The span of `09:00-17:30`, `22:00-06:00` (into the next day), `18:00-24:00`; undefined for anything else. */
export function readSpan(text: string): Span | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/.exec(text);
  if (match === null) return undefined;
  const from = Number(match[1]) * 60 + Number(match[2]);
  const to = match[3] === undefined ? MINUTES_A_DAY : Number(match[3]) * 60 + Number(match[4]);
  return from === to ? undefined : { from, to };
}

/** True when it is the name of a time zone of the IANA data base. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * True when the schedule holds. What lies after midnight in a span that crosses it belongs to the day on which it began:
 * `fri` with `22:00-06:00` holds on Saturday at five.
 * @param now milliseconds since 1970
 */
export function isScheduled({ days, spans, zone }: Schedule, now: number): boolean {
  const { day, minute } = localTime(zone, now);
  const holdsOn = (one: number) => days === undefined || days.has((one + 7) % 7);
  if (spans.length === 0) return holdsOn(day);
  return spans.some(({ from, to }) => {
    if (from < to) return minute >= from && minute < to && holdsOn(day);
    return (minute >= from && holdsOn(day)) || (minute < to && holdsOn(day - 1));
  });
}

const formats = new Map<string | undefined, Intl.DateTimeFormat>();

function localTime(zone: string | undefined, now: number): { day: number; minute: number } {
  let format = formats.get(zone);
  if (format === undefined) {
    const options = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    format = new Intl.DateTimeFormat('en-US', { ...options, timeZone: zone });
    formats.set(zone, format);
  }
  let day = 0;
  let minute = 0;
  for (const { type, value } of format.formatToParts(now)) {
    if (type === 'weekday') day = dayOf(value.toLowerCase());
    else if (type === 'hour') minute += Number(value) * 60;
    else if (type === 'minute') minute += Number(value);
  }
  return { day, minute };
}
