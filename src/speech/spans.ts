// Spans of time on a recording's timeline: in order, apart from each other, in milliseconds from its beginning. Pure.

export interface Span {
  from: number;
  /** The first moment after it. */
  to: number;
}

export function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** Any spans, in any order, as spans that stand apart. @param gap what lies closer than this becomes one */
export function united(spans: readonly Span[], gap = 0): Span[] {
  const result: Span[] = [];
  for (const { from, to } of spans.toSorted((one, other) => one.from - other.from)) {
    const last = result.at(-1);
    if (to <= from) continue;
    if (last !== undefined && from - last.to <= gap) last.to = Math.max(last.to, to);
    else result.push({ from, to });
  }
  return result;
}

/** What is in both. */
export function common(these: readonly Span[], those: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (let one = 0, other = 0; ; ) {
    const [a, b] = [these[one], those[other]];
    if (a === undefined || b === undefined) return result;
    const [from, to] = [Math.max(a.from, b.from), Math.min(a.to, b.to)];
    if (from < to) result.push({ from, to });
    if (a.to < b.to) one += 1;
    else other += 1;
  }
}

/** What is in the first and not in the second. */
export function without(these: readonly Span[], those: readonly Span[]): Span[] {
  const end = Math.max(0, ...these.slice(-1).map(({ to }) => to));
  return common(these, others(those, end));
}

/** Where none of them is, from 0 to `end`. */
export function others(spans: readonly Span[], end: number): Span[] {
  const edges = [0, ...spans.flatMap(({ from, to }) => [from, to]), end];
  const result: Span[] = [];
  for (let at = 0; at + 1 < edges.length; at += 2) {
    const [from, to] = [edges[at] ?? 0, Math.min(edges[at + 1] ?? 0, end)];
    if (from < to) result.push({ from, to });
  }
  return result;
}

/** Where two of the lists, or more, have something at once. */
export function overlapping(lists: readonly (readonly Span[])[]): Span[] {
  const pairs = lists.flatMap((one, index) => lists.slice(index + 1).flatMap((other) => common(one, other)));
  return united(pairs);
}
