// An alarm: a line of the log that names one, as those are told who do not read the log.

export interface Alarm {
  /** A UUID, the same however often it is told. */
  id: string;
  /** ISO 8601, UTC. */
  time: string;
  host: string;
  daemon: string;
  severity: 'warning' | 'error' | 'fatal';
  /** Which one: `spool-space`, `recording-failed` … */
  alarm: string;
  message: string;
  /** What it is about, and what to do: the other fields of the line. */
  facts: Record<string, unknown>;
  /** How often it came again in the minute before, and was not told. */
  repeated: number;
}

/** Fields that say what an alarm is about. */
const ABOUT = ['recording', 'call', 'segment', 'trunk', 'server', 'storage', 'asked', 'topic'];
/** These concern everything at once, whatever they came up with. */
const GENERAL = new Set(['archive', 'overload']);

/** What makes two lines the same alarm: its name and what it is about. */
export function keyOf({ alarm, facts }: Pick<Alarm, 'alarm' | 'facts'>): string {
  if (GENERAL.has(alarm)) return alarm;
  return [alarm, ...ABOUT.map((name) => facts[name] ?? '')].join('\n');
}
