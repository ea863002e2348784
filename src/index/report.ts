// Sums over recordings: by DN, by agent, by day.
import type { Database } from 'better-sqlite3';
import { keyAt } from './key.ts';
import type { ReportBy, ReportFilter, ReportRow } from './rows.ts';

/** Days are those of the time zone in which it is asked. */
const GROUPS: Record<ReportBy, string> = {
  dn: "coalesce(r.dn, '')",
  agent: "coalesce(r.agent, '')",
  day: "strftime('%Y-%m-%d', r.start_time / 1000, 'unixepoch', 'localtime')",
};

export function report(db: Database, by: ReportBy, { since, until }: ReportFilter): ReportRow[] {
  const sumOf = (column: string, role: string) => `sum(CASE WHEN role = '${role}' THEN ${column} ELSE 0 END)`;
  const sql = `SELECT ${GROUPS[by]} AS "group", count(*) AS recordings, sum(t.duration) AS duration,
      coalesce(sum(p.agent_talk), 0) AS agentTalk, coalesce(sum(p.customer_talk), 0) AS customerTalk,
      sum(t.silence) AS silence, max(t.longest_silence) AS longestSilence, sum(t.talk_over) AS talkOver,
      sum(t.hold) AS hold, sum(t.holds) AS holds,
      coalesce(sum(p.agent_interruptions), 0) AS agentInterruptions,
      coalesce(sum(p.customer_interruptions), 0) AS customerInterruptions,
      round(avg(p.agent_first_word)) AS agentFirstWord
    FROM recordings r JOIN talk t ON t.recording = r.key
    LEFT JOIN (
      SELECT recording, ${sumOf('talk', 'agent')} AS agent_talk, ${sumOf('talk', 'customer')} AS customer_talk,
        ${sumOf('interruptions', 'agent')} AS agent_interruptions,
        ${sumOf('interruptions', 'customer')} AS customer_interruptions,
        min(CASE WHEN role = 'agent' THEN first_word END) AS agent_first_word
      FROM party_talk WHERE recording >= @from AND recording < @to GROUP BY recording
    ) p ON p.recording = r.key
    WHERE r.key >= @from AND r.key < @to
    GROUP BY 1 ORDER BY 1`;
  const from = since === undefined ? 0 : keyAt(since);
  const to = until === undefined ? Number.MAX_SAFE_INTEGER : keyAt(until);
  return db.prepare<[object], ReportRow>(sql).all({ from, to });
}
