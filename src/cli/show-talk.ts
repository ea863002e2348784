// What voice activity told of a recording, as `grec show` prints it.
import { existsSync } from 'node:fs';
import type { RecordingRow } from '../catalog/rows.ts';
import { messageOf } from '../errors.ts';
import { openIndexReader } from '../index/index.ts';
import type { Tagged } from '../index/tags.ts';
import type { Analytics, PartyTalk } from '../speech/analytics.ts';
import type { CliContext } from './context.ts';
import { clockDuration, renderPairs } from './table.ts';

/** The analytics, or why there are none. */
export interface FoundTalk {
  analytics?: Analytics;
  problem?: string;
  topics?: Tagged[];
}

/** Does not throw for what it finds: the index is no part of the recording. */
export function readAnalytics(context: CliContext, { id }: Pick<RecordingRow, 'id'>): FoundTalk {
  const { index } = context.config.paths;
  if (!existsSync(index)) return {};
  try {
    const reader = openIndexReader(index);
    try {
      const [analytics, problem] = [reader.analytics(id), reader.state(id)?.problem];
      const topics = reader.topics(id);
      return { ...(analytics && { analytics }), ...(problem ? { problem } : {}), topics };
    } finally {
      reader.close();
    }
  } catch (thrown) {
    return { problem: messageOf(thrown) };
  }
}

/** With an empty line before it; nothing when nothing is known. */
export function describeTalk({ analytics, problem, topics = [] }: FoundTalk): string[] {
  const about = topics.map(describeTopic);
  const told =
    analytics === undefined ? [] : [...analytics.parties.map(describeParty), ...describeAll(analytics)];
  const known = [...told, ...about];
  const lines = problem === undefined ? known : [...known, ['not indexed', problem] as const];
  return lines.length === 0 ? [] : ['', 'talk', ...renderPairs(lines, '  ')];
}

function describeTopic({ topic, at, party, passages }: Tagged): [string, string] {
  const times = passages === 1 ? '' : `, in ${passages} passages`;
  return ['about', `${topic}, ${party === null ? '' : `${party} `}at ${clockDuration(at)}${times}`];
}

function describeParty(party: PartyTalk): [string, string] {
  const { role, number, talk, turns, interruptions, firstWord } = party;
  const words = [
    `talks ${seconds(talk)}`,
    `in ${turns} ${turns === 1 ? 'turn' : 'turns'}`,
    firstWord === undefined ? 'says nothing' : `first word at ${seconds(firstWord)}`,
    ...(interruptions > 0 ? [`interrupts ${interruptions} ${interruptions === 1 ? 'time' : 'times'}`] : []),
  ];
  return [`${role} ${number}`, words.join(', ')];
}

function describeAll(analytics: Analytics): [string, string][] {
  const { talkOver, silence, longestSilence, longestSilenceAt, hold, holds, masked } = analytics;
  const longest =
    longestSilence > 0
      ? `, the longest ${seconds(longestSilence)} at ${clockDuration(longestSilenceAt)}`
      : '';
  return [
    ['both at once', seconds(talkOver)],
    ['silence', `${seconds(silence)}${longest}`],
    ...(holds > 0
      ? [['on hold', `${seconds(hold)}, ${holds} ${holds === 1 ? 'time' : 'times'}`] as [string, string]]
      : []),
    ...(masked > 0 ? [['masked', seconds(masked)] as [string, string]] : []),
  ];
}

function seconds(ms: number): string {
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : clockDuration(ms);
}
