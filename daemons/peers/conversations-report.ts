// What became of many conversations, and whether anything is wrong.
import type { ConversationReport } from './conversation-check.ts';
import type { Diary } from './conversation-diary.ts';

/** Conversations of which the problems are told. */
const MOST_TOLD = 20;

export interface ManyReport {
  seed: number;
  conversations: number;
  kills: number;
  timesFull: number;
  recordings: number;
  complete: number;
  packets: { due: number; found: number; passed: number };
  /** The largest distance of a sample from its time. */
  worstMs: number;
  slips: number;
  transfers: number;
  holds: number;
  pauses: number;
  /** Each conversation of which something is wrong, and what. */
  wrong: { conversation: number; problems: string[] }[];
  /** Recordings that belong to no conversation. */
  strangers: string[];
  leftovers: string[];
  unverified: string[];
  archived: number;
  verify: { status: number; said: string };
  reconcile: { status: number; said: string };
  /** By name, how often in the logs. */
  alarms: Record<string, number>;
  /** Of the catalog, that no full disk explains. */
  unexpectedAlarms: string[];
  problems: string[];
  seconds: number;
}

/** Nothing is wrong. */
export function isClean(report: ManyReport): boolean {
  const { wrong, strangers, leftovers, unverified, unexpectedAlarms, problems } = report;
  const lists = [wrong, strangers, leftovers, unverified, unexpectedAlarms, problems];
  const { conversations, recordings, complete, verify, reconcile } = report;
  return (
    lists.every((list) => list.length === 0) &&
    recordings === conversations &&
    complete === conversations &&
    verify.status === 0 &&
    reconcile.status === 0
  );
}

export function wrongOnes(
  diaries: readonly Diary[],
  reports: readonly ConversationReport[],
): ManyReport['wrong'] {
  const wrong = diaries.flatMap(({ script }, index) => {
    const problems = reports[index]?.problems ?? [];
    return problems.length === 0 ? [] : [{ conversation: script.index, problems }];
  });
  return wrong.slice(0, MOST_TOLD);
}
