// The figures of the media benchmark as a table for people and as objects for programs.
import type { ChurnResult } from './media-churn-beside.ts';
import type { Measured } from './media-relay.ts';
import { RTPENGINE } from './media-servers.ts';

/** One media server under one load: medians of its rounds; losses, duplicates and the longest delays are those of all rounds. */
export interface Report {
  engine: string;
  calls: number;
  us_per_packet: number;
  /** Undefined when rtpengine was not measured. */
  ratio_to_rtpengine: number | undefined;
  /** Part of the packets that did not arrive. */
  loss: number;
  p50_us: number;
  p99_us: number;
  max_us: number;
  /** How many calls would fill one core at that price. */
  calls_per_core: number;
  rss_mb: number;
  /** The same with what its processes share counted once. */
  pss_mb: number;
  reordered: number;
  duplicates: number;
  received: number;
  /** Packets in the captures for each that arrived. */
  captured: number;
  /** Of one core. */
  busy: number;
  /** Milliseconds of each second for which a thread of the server was ready and waited for its core. */
  waited_ms: number;
  /** Of one core, taken by the load generator. */
  load_busy: number;
  /** How far the generator was behind its schedule at worst. */
  load_late_ms: number;
}

/** Of one call, both ways. */
const PACKETS_A_SECOND = 100;

/** @param all measurements under one load */
export function summarize(all: readonly Measured[]): Report[] {
  const servers = [...new Set(all.map(({ server }) => server))];
  const of = (server: string) => all.filter((one) => one.server === server);
  const theirs = median(of(RTPENGINE).map(({ usPerPacket }) => usPerPacket));
  return servers.map((server) => summarizeServer(server, of(server), theirs));
}

function summarizeServer(engine: string, rounds: readonly Measured[], theirs: number): Report {
  const us = median(rounds.map(({ usPerPacket }) => usPerPacket));
  const calls = rounds[0]?.calls ?? 0;
  const busy = median(rounds.map((round) => round.busy));
  return {
    engine,
    calls,
    us_per_packet: round(us, 2),
    ratio_to_rtpengine: Number.isNaN(theirs) ? undefined : round(us / theirs, 3),
    loss: sum(rounds.map(({ lost }) => lost)) / sum(rounds.map(({ sent }) => sent)),
    p50_us: median(rounds.map(({ p50Us }) => p50Us)),
    p99_us: median(rounds.map(({ p99Us }) => p99Us)),
    max_us: Math.max(...rounds.map(({ maxUs }) => maxUs)),
    calls_per_core: Math.round(1e6 / us / PACKETS_A_SECOND),
    rss_mb: round(median(rounds.map(({ rssMb }) => rssMb)), 1),
    pss_mb: round(median(rounds.map(({ pssMb }) => pssMb)), 1),
    reordered: sum(rounds.map(({ reordered }) => reordered)),
    duplicates: sum(rounds.map(({ duplicates }) => duplicates)),
    received: sum(rounds.map(({ received }) => received)),
    captured: round(median(rounds.map(({ captured }) => captured)), 4),
    busy: round(busy, 3),
    waited_ms: round(median(rounds.map(({ waited }) => waited)), 1),
    load_busy: round(median(rounds.map(({ loadBusy }) => loadBusy)), 3),
    load_late_ms: Math.max(...rounds.map(({ lateMs }) => lateMs)),
  };
}

const RELAY_COLUMNS = [
  'calls',
  'server',
  'us/packet',
  'ratio',
  'loss %',
  'p50 ms',
  'p99 ms',
  'max ms',
  'reordered',
  'captured',
  'calls/core',
  'core %',
  'waited ms/s',
  'RSS MB',
  'PSS MB',
  'load core %',
  'late ms',
];

export function relayTable(reports: readonly Report[]): string {
  const rows = reports.map((one) => [
    String(one.calls),
    one.engine,
    one.us_per_packet.toFixed(1),
    one.ratio_to_rtpengine?.toFixed(2) ?? '-',
    (one.loss * 100).toFixed(3),
    (one.p50_us / 1000).toFixed(2),
    (one.p99_us / 1000).toFixed(2),
    (one.max_us / 1000).toFixed(1),
    String(one.reordered),
    one.captured.toFixed(3),
    String(one.calls_per_core),
    (one.busy * 100).toFixed(0),
    one.waited_ms.toFixed(0),
    one.rss_mb.toFixed(0),
    one.pss_mb.toFixed(0),
    (one.load_busy * 100).toFixed(0),
    one.load_late_ms.toFixed(1),
  ]);
  return table([RELAY_COLUMNS, ...rows]);
}

const CHURN_COLUMNS = [
  'server',
  'calls/s',
  'failed',
  'p99 ms alone',
  'p99 ms beside',
  'max ms beside',
  'lost beside',
  'late ms',
];

export function churnTable(results: readonly ChurnResult[]): string {
  const rows = results.map(({ server, callsPerSecond, failed, quiet, beside }) => [
    server,
    callsPerSecond.toFixed(0),
    String(failed),
    (quiet.p99Us / 1000).toFixed(2),
    (beside.p99Us / 1000).toFixed(2),
    (beside.maxUs / 1000).toFixed(1),
    String(beside.sent - beside.received),
    beside.lateMs.toFixed(1),
  ]);
  return results.length === 0 ? '' : table([CHURN_COLUMNS, ...rows]);
}

/** The same as an object. */
export function churnReport({ server, callsPerSecond, failed, quiet, beside }: ChurnResult): object {
  return {
    engine: server,
    churn_per_second: round(callsPerSecond, 1),
    churn_failed: failed,
    p99_us_alone: quiet.p99Us,
    p99_us_beside: beside.p99Us,
    max_us_beside: beside.maxUs,
    loss_beside: (beside.sent - beside.received) / beside.sent,
  };
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '))
    .join('\n');
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
