// Tags: which passages are about which topic. A topic is a question, asked about the passages of one recording at a time.
import type { Database } from 'better-sqlite3';
import { facetCharacter, facetNames } from './facets.ts';
import { keyAt } from './key.ts';
import type { Topic } from './topics.ts';

/** A topic that a recording is about, from its first passage on. */
export interface Tagged {
  topic: string;
  /** Milliseconds from the beginning of the recording. */
  at: number;
  party: 'agent' | 'customer' | null;
  passages: number;
}

export interface Tagger {
  /** Tags the passages of a recording anew. @returns topics that it was not about before */
  tag(recording: number, startTime: number, duration: number, topics: readonly Topic[]): string[];
}

export function tagger(db: Database): Tagger {
  const sql = {
    known: db.prepare<[number], { topic: string }>('SELECT DISTINCT topic FROM tags WHERE recording = ?'),
    forget: db.prepare<[number]>('DELETE FROM tags WHERE recording = ?'),
    facet: db.prepare<[string], { id: number }>('SELECT id FROM facets WHERE name = ?'),
    tag: db.prepare<[object]>(
      `INSERT OR IGNORE INTO tags (topic, passage, recording)
       SELECT @topic, p.key, p.recording FROM words JOIN passages p ON p.key = words.rowid
       WHERE words MATCH @match AND words.rowid >= @from AND words.rowid <= @to AND p.recording = @recording`,
    ),
  };
  const partyOf = (party: Topic['party']) => {
    const id = sql.facet.get(facetNames({ role: party })[0] ?? '')?.id;
    return id === undefined ? undefined : facetCharacter(id);
  };
  return {
    tag(recording, startTime, duration, topics) {
      const before = new Set(sql.known.all(recording).map(({ topic }) => topic));
      sql.forget.run(recording);
      // FTS5 takes whole numbers alone for a range, and to SQLite a number of JavaScript this large is none.
      const range = { from: BigInt(keyAt(startTime)), to: BigInt(keyAt(startTime + duration + 1000)) };
      return topics.flatMap(({ name, match, party }) => {
        const facet = party === undefined ? '' : partyOf(party);
        if (facet === undefined) return [];
        const asked = facet === '' ? match : `${match} AND ({facets} : ("${facet}"))`;
        const { changes } = sql.tag.run({ topic: name, match: asked, recording, ...range });
        return changes > 0 && !before.has(name) ? [name] : [];
      });
    },
  };
}

/** What a recording is about, in the order of time. */
export function tagsOf(db: Database, id: string): Tagged[] {
  const sql = `SELECT t.topic, min(p.from_ms) AS at, p.role AS party, count(*) AS passages
    FROM recordings r JOIN tags t ON t.recording = r.key JOIN passages p ON p.key = t.passage
    WHERE r.id = ? GROUP BY t.topic ORDER BY at, t.topic`;
  return db.prepare<[string], Tagged>(sql).all(id);
}
