// The rows of the index, as its questions give them.
import type { MadeRow } from '../catalog/changes.ts';

/** A recording in the index. */
export interface IndexedRow extends MadeRow {
  /** Names it within the index; the greater, the later it began. */
  key: number;
  agent: string | null;
  madeOf: string | null;
  /** It is to be transcribed again: 1 or 0. */
  isAnew: number;
  /** How often it was tried in vain. */
  attempts: number;
}

/** A recording that could not be indexed. */
export interface ProblemRow {
  id: string;
  /** Milliseconds since 1970. */
  startTime: number;
  problem: string;
  attempts: number;
  /** When it is tried again, milliseconds since 1970; null when only a change can help. */
  dueAt: number | null;
}

/** How far the index is behind the catalog, as far as the index knows. */
export interface Backlog {
  /** Recordings that wait for their turn. */
  waiting: number;
  /** When the one that waits longest was finished, milliseconds since 1970. */
  oldest: number | null;
  /** Recordings that could not be indexed, whether they are tried again or not. */
  problems: number;
  /** Recordings in the index. */
  recordings: number;
}

export type ReportBy = 'dn' | 'agent' | 'day';

export interface ReportFilter {
  /** Milliseconds since 1970. */
  since?: number;
  until?: number;
}

/** Sums over recordings; times in milliseconds. */
export interface ReportRow {
  /** The DN, the agent, the day; empty for recordings without one. */
  group: string;
  recordings: number;
  duration: number;
  agentTalk: number;
  customerTalk: number;
  silence: number;
  longestSilence: number;
  talkOver: number;
  hold: number;
  holds: number;
  agentInterruptions: number;
  customerInterruptions: number;
  /** Until the agent first spoke, the mean. */
  agentFirstWord: number | null;
}

export interface FindFilter extends ReportFilter {
  /** Who says it. */
  party?: 'agent' | 'customer';
  /** The recorded DN. */
  dn?: string;
  agent?: string;
  /** Caller, callee or recorded DN. */
  number?: string;
  /** With a passage about one of these topics. */
  topics?: readonly string[];
  /** Milliseconds. */
  longerThan?: number;
  shorterThan?: number;
  /** The newest first, unless it is said otherwise; relevance (BM25) tells only where there are words. */
  sort?: 'newest' | 'oldest' | 'relevance';
  limit: number;
}

/** A recording that fits. */
export interface FoundRecording {
  id: string;
  state: MadeRow['state'];
  direction: MadeRow['direction'];
  /** Milliseconds since 1970. */
  startTime: number;
  /** Milliseconds. */
  duration: number;
  caller: string;
  callee: string;
  dn: string | null;
  agent: string | null;
}

/** A passage with the words. */
export interface FoundPassage extends FoundRecording {
  channel: number;
  party: 'agent' | 'customer' | null;
  /** Milliseconds from the beginning of the recording. */
  from: number;
  to: number;
  confidence: number | null;
  /** The words that matched are between the marks of find.ts. */
  snippet: string;
}
