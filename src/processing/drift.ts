// How fast the clock of a sender runs beside ours: from when its packets came, and from its sender reports (RFC 3550 section 6.4.1).
//
// What is followed is the offset: the time of arrival, less the time that the RTP timestamps have counted at their nominal rate. The
// network only ever adds to it, so the least of each few seconds tells best; a clock that runs slow lets it rise, a fast one lets it
// sink, both along a line. What is no line (a sender that lost time now and then, a way through the network that grew longer) is
// no drift, and is left alone.
//
// Sender reports tell how the sender's clock and its timestamps go together, without the network in between: of use when
// the arrivals agree roughly, for then the sender's clock is a good one, and sooner than the arrivals alone.

/** One measurement: microseconds since the timeline's origin, and microseconds. */
interface Point {
  at: number;
  offset: number;
}

/** What the clock is thought to do: the offset is `base` + `slope` * time. */
export interface Drift {
  slope: number;
  base: number;
}

/** The least offset of so long a time is one measurement, in microseconds. */
const SPAN_US = 5_000_000;
/** Measurements that are looked at together: five minutes of arrivals. */
const MOST_POINTS = 60;
/** Without reports it takes a minute to tell a drift from what the network does; with them a third of it. */
const LEAST_SPANS = 12;
const LEAST_SPANS_WITH_REPORTS = 4;
const LEAST_REPORTS = 3;
/** No quartz is so wrong: a sender that takes longer for its packets lost time. */
const MOST_SLOPE = 1000e-6;
/** How far, as a median, measurements may lie off their line, in microseconds. */
const MOST_SPREAD_US = 4000;
const MOST_REPORT_SPREAD_US = 1000;
/** Between the slopes of reports and arrivals: so much, and what the network does to the arrivals. */
const AGREEMENT_SLOPE = 100e-6;
const AGREEMENT_US = 5000;
/**
 * A drift that has come to less than this, or to less than six times the spread, may be chance. In microseconds. Without reports a
 * sender or a network that is a little slower each minute, as on a machine that gets busier, looks the same.
 */
const LEAST_DRIFT_US = 10_000;
const LEAST_DRIFT_WITH_REPORTS_US = 3000;
const LEAST_SPREADS = 6;
/** What has come to so much is to be corrected, even if no slope can be told any more. In microseconds. */
const MOST_ERROR_US = 20_000;

export class DriftMeter {
  #points: Point[] = [];
  #reports: Point[] = [];
  #span: (Point & { since: number }) | undefined;
  #drift: Drift | undefined;

  /** Undefined as long as none is sure. */
  get drift(): Drift | undefined {
    return this.#drift;
  }

  /** Of a packet, in the order of arrival. `base` is the offset that its place was reckoned with. */
  add(at: number, offset: number, base: number): void {
    const span = this.#span;
    if (span === undefined) this.#span = { at, offset, since: at };
    else if (at - span.since > SPAN_US) {
      push(this.#points, { at: span.at, offset: span.offset });
      this.#span = { at, offset, since: at };
      this.#estimate(base);
    } else if (offset < span.offset) this.#span = { at, offset, since: span.since };
  }

  /** Of a sender report: the sender's time, less the time that its timestamps have counted. */
  addReport(at: number, offset: number): void {
    push(this.#reports, { at, offset });
  }

  #estimate(base: number): void {
    if (this.#points.length < LEAST_SPANS_WITH_REPORTS) return;
    const arrivals = lineThrough(this.#points);
    const told = this.#withReports(arrivals);
    const found = told ?? (this.#points.length < LEAST_SPANS ? undefined : arrivals);
    if (found === undefined || !isDrift(found)) return;
    const first = this.#points[0]?.at ?? 0;
    const last = this.#points.at(-1)?.at ?? 0;
    const least = told === undefined ? LEAST_DRIFT_US : LEAST_DRIFT_WITH_REPORTS_US;
    const isSure = Math.abs(found.slope) * (last - first) >= Math.max(least, LEAST_SPREADS * found.spread);
    const error = Math.abs(found.base + found.slope * last - base);
    if (this.#drift !== undefined || isSure || error > MOST_ERROR_US) this.#drift = found;
  }

  /** The slope of the reports, where the arrivals stand. */
  #withReports(arrivals: Line): Line | undefined {
    const reports = this.#reports;
    if (reports.length < LEAST_REPORTS) return undefined;
    const told = lineThrough(reports);
    const time = (reports.at(-1)?.at ?? 0) - (reports[0]?.at ?? 0);
    const agreement = AGREEMENT_SLOPE + AGREEMENT_US / Math.max(1, time);
    if (told.spread > MOST_REPORT_SPREAD_US || Math.abs(told.slope - arrivals.slope) > agreement)
      return undefined;
    return lineThrough(this.#points, told.slope);
  }
}

interface Line extends Drift {
  /** The median distance from it. */
  spread: number;
}

function isDrift({ slope, spread }: Line): boolean {
  return Math.abs(slope) <= MOST_SLOPE && spread <= MOST_SPREAD_US;
}

function push(points: Point[], point: Point): void {
  points.push(point);
  if (points.length > MOST_POINTS) points.shift();
}

/** The line that half of all pairs lie above (Theil and Sen): one bad measurement in four does not bend it. */
function lineThrough(points: readonly Point[], slope = medianSlope(points)): Line {
  const base = median(points.map(({ at, offset }) => offset - slope * at));
  const spread = median(points.map(({ at, offset }) => Math.abs(offset - slope * at - base)));
  return { slope, base, spread };
}

function medianSlope(points: readonly Point[]): number {
  const slopes: number[] = [];
  for (const [index, one] of points.entries())
    for (const other of points.slice(index + 1))
      if (other.at > one.at) slopes.push((other.offset - one.offset) / (other.at - one.at));
  return median(slopes);
}

function median(values: number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[sorted.length >> 1] ?? 0;
}
