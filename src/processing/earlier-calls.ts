// Calls that were forgotten long ago, out of the journals: what a recording that is made again has to be told.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { JournalEvent } from '../spool/events.ts';
import { listJournalFiles } from '../spool/journal-files.ts';
import { patternOf, searchJournal } from '../spool/journal-search.ts';
import { summaryOf } from './call-facts.ts';
import { conversationsOf } from './conversation.ts';
import type { PendingCall } from './situation.ts';
import { JOURNALS, type Source } from './sources.ts';

/** No conversation is followed further: each step may lead to calls that lead to others. */
const MOST_STEPS = 4;
/** A Session-ID that more calls share is that of a peer that uses it for all. */
const MOST_CALLS = 64;
/** Clocks of journals and captures are the same, but for leaps, in milliseconds. */
const LEAP_MS = 3_600_000;

type JournalSource = Pick<Source, 'number' | 'journal'>;
type Call = { id: string; events: JournalEvent[]; source: number };

/**
 * The calls of the conversations of which these calls are a part, as far as the journals still tell. Throws Node's system
 * errors.
 * @param since when the conversation began, milliseconds since 1970
 */
export async function findEarlierCalls(
  sources: readonly JournalSource[],
  calls: ReadonlySet<string>,
  since: number,
): Promise<PendingCall[]> {
  let known = await collect(sources, calls, since);
  let keys = calls;
  for (let step = 1; step < MOST_STEPS; step += 1) {
    const more = linksOf([...known.values()], calls);
    if (more.size === keys.size) break;
    const wider = await collect(sources, more, since);
    if (wider.size > MOST_CALLS) break;
    [known, keys] = [wider, more];
  }
  const conversations = conversationsOf([...known.values()]);
  return conversations.filter((one) => one.some(({ id }) => calls.has(id))).flat();
}

function linksOf(calls: readonly PendingCall[], asked: Iterable<string>): Set<string> {
  const links = calls.flatMap((call) => {
    const { sessions, consultations } = summaryOf(call);
    return [call.id, ...sessions, ...consultations];
  });
  return new Set([...asked, ...links]);
}

/** All events in whose lines one of the keys stands, by call. */
async function collect(
  sources: readonly JournalSource[],
  keys: ReadonlySet<string>,
  since: number,
): Promise<Map<string, Call>> {
  const calls = new Map<string, Call>();
  if (keys.size === 0) return calls;
  const pattern = patternOf(keys);
  for (const { number: source, journal } of sources)
    for (const daemon of JOURNALS)
      for (const file of filesSince(join(journal, daemon), since)) {
        for (const event of searchJournal(join(journal, daemon), file, pattern)) add(calls, event, source);
        await setImmediate();
      }
  for (const { events } of calls.values())
    events.sort((one, other) => one.at - other.at || one.seq - other.seq);
  return calls;
}

/** What was written last before it began tells nothing of it. */
function filesSince(folder: string, since: number): string[] {
  return listJournalFiles(folder).filter((file) => {
    const { mtimeMs } = statSync(join(folder, file), { throwIfNoEntry: false }) ?? { mtimeMs: 0 };
    return mtimeMs >= since - LEAP_MS;
  });
}

function add(calls: Map<string, Call>, event: JournalEvent, source: number): void {
  if (!('call' in event) || event.call === undefined || event.type === 'call.refused') return;
  const call = calls.get(event.call) ?? { id: event.call, events: [], source };
  calls.set(event.call, call);
  call.events.push(event);
}
