// What grec-procd and the indexer, its child, tell each other over the channel that fork of Node opens.
import type { IndexerOptions, IndexerStatus } from './indexer.ts';
import type { Redone } from './writer.ts';

/** The first thing that the indexer is told. */
export type IndexerSettings = Omit<IndexerOptions, 'onProblem' | 'onTopic' | 'now'>;

export type Order =
  | { do: 'start'; settings: IndexerSettings }
  | { do: 'redo'; id: number; which: Redone | 'topics' };

export type Told =
  | { told: 'status'; status: IndexerStatus }
  | { told: 'problem'; problem: string; recording?: string | undefined }
  | { told: 'topic'; topic: string; recording: string }
  | { told: 'answer'; id: number; count: number }
  | { told: 'refused'; id: number; problem: string };
