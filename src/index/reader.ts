// Questions to the index: what is known of a recording, what could not be indexed, how far it is behind, sums.
import type { Database } from 'better-sqlite3';
import type { Analytics, PartyTalk } from '../speech/analytics.ts';
import { findPassages, findRecordings } from './find.ts';
import { guarded } from './guarded.ts';
import { report } from './report.ts';
import type {
  Backlog,
  FindFilter,
  FoundPassage,
  FoundRecording,
  ProblemRow,
  ReportBy,
  ReportFilter,
  ReportRow,
} from './rows.ts';
import { type Tagged, tagsOf } from './tags.ts';

/** What is known of one recording. */
export interface IndexState {
  /** It waits for its turn, or to be tried again, milliseconds since 1970. */
  dueAt: number | null;
  problem: string | null;
}

/** Every method throws GrecError INDEX_UNUSABLE when the file is broken. */
export interface IndexReader {
  /** Undefined when the index does not know the recording. */
  state(id: string): IndexState | undefined;
  /** Undefined when it was not looked into yet. */
  analytics(id: string): Analytics | undefined;
  /** The newest first. */
  problems(limit?: number): ProblemRow[];
  backlog(): Backlog;
  /** One row for each group, in the order of their names. */
  report(by: ReportBy, filter?: ReportFilter): ReportRow[];
  /** Passages with these words; `match` as readQuery gives it. */
  findPassages(match: string, filter: FindFilter): FoundPassage[];
  findRecordings(filter: FindFilter): FoundRecording[];
  /** What a recording is about, in the order of time. */
  topics(id: string): Tagged[];
  close(): void;
}

export function indexReader(db: Database, file: string): IndexReader {
  const guard = <T>(work: () => T): T => guarded(file, work);
  return {
    state: (id) =>
      guard(() => {
        const sql = 'SELECT due_at AS dueAt, problem FROM recordings WHERE id = ?';
        return db.prepare<[string], IndexState>(sql).get(id);
      }),
    analytics: (id) => guard(() => findAnalytics(db, id)),
    problems: (limit = 50) => guard(() => listProblems(db, limit)),
    backlog: () => guard(() => measureBacklog(db)),
    report: (by, filter = {}) => guard(() => report(db, by, filter)),
    findPassages: (match, filter) => guard(() => findPassages(db, match, filter)),
    topics: (id) => guard(() => tagsOf(db, id)),
    findRecordings: (filter) => guard(() => findRecordings(db, filter)),
    close: () => db.close(),
  };
}

type Sums = Omit<Analytics, 'parties' | 'firstWord'> & { recording: number; firstWord: number | null };
type Party = Omit<PartyTalk, 'dn' | 'agentId' | 'firstWord'> & {
  dn: string | null;
  agentId: string | null;
  firstWord: number | null;
};

function findAnalytics(db: Database, id: string): Analytics | undefined {
  const sums = db
    .prepare<[string], Sums>(
      `SELECT t.recording, t.duration, t.talk, t.silence, t.longest_silence AS longestSilence,
         t.longest_silence_at AS longestSilenceAt, t.talk_over AS talkOver, t.first_word AS firstWord, t.hold, t.holds,
         t.masked
       FROM talk t JOIN recordings r ON r.key = t.recording WHERE r.id = ?`,
    )
    .get(id);
  if (sums === undefined) return undefined;
  const { recording, firstWord, ...others } = sums;
  const parties = db
    .prepare<[number], Party>(
      `SELECT channel, role, number, dn, agent AS agentId, talk, silence, turns, longest_turn AS longestTurn,
         interruptions, first_word AS firstWord
       FROM party_talk WHERE recording = ? ORDER BY place`,
    )
    .all(recording);
  return { ...others, firstWord: firstWord ?? undefined, parties: parties.map(talkOf) };
}

function talkOf({ dn, agentId, firstWord, ...party }: Party): PartyTalk {
  return {
    ...party,
    ...(dn !== null && { dn }),
    ...(agentId !== null && { agentId }),
    ...(firstWord !== null && { firstWord }),
  };
}

function listProblems(db: Database, limit: number): ProblemRow[] {
  const sql = `SELECT id, start_time AS startTime, problem, attempts, due_at AS dueAt FROM recordings
    WHERE problem IS NOT NULL ORDER BY key DESC LIMIT ?`;
  return db.prepare<[number], ProblemRow>(sql).all(limit);
}

function measureBacklog(db: Database): Backlog {
  const sql = `SELECT
    (SELECT count(*) FROM recordings WHERE due_at IS NOT NULL AND problem IS NULL) AS waiting,
    (SELECT min(finished_at) FROM recordings WHERE due_at IS NOT NULL AND problem IS NULL) AS oldest,
    (SELECT count(*) FROM recordings WHERE problem IS NOT NULL) AS problems,
    (SELECT count(*) FROM recordings) AS recordings`;
  return db.prepare<[], Backlog>(sql).get() ?? { waiting: 0, oldest: null, problems: 0, recordings: 0 };
}
