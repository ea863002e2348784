// `grec why`: what was decided on a call, and why; of calls that are up, that are over, and that were refused.
import { join } from 'node:path';
import { journaledEvents } from '../archive/metadata.ts';
import { readMetadata } from '../archive/read.ts';
import { openCatalogReader } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { GrecError } from '../errors.ts';
import { isDecisionEvent, partOfId } from '../spool/call-events.ts';
import type { JournalEvent } from '../spool/events.ts';
import { parseEvent } from '../spool/journal-files.ts';
import type { CliContext } from './context.ts';
import { askSwitch } from './dn.ts';
import { EXIT } from './exit-codes.ts';
import { filesOf } from './recording.ts';
import { findInJournal, lastCall, readJournal } from './why-journal.ts';
import { describeCall, showCall, type ToldCall } from './why-report.ts';

/**
 * Prints the decisions on a call in their order.
 * @param asked id of a call, of a recording or of a conversation, a part of one, or `last`
 * @throws GrecError CALL_UNKNOWN, CALL_AMBIGUOUS
 */
export async function why(context: CliContext, asked: string): Promise<number> {
  const calls = await findCalls(context, asked);
  const [first, ...others] = calls;
  if (first === undefined) throw unknownCall(asked);
  // Several calls are one answer when they are one conversation.
  const sessions = new Set(calls.map(({ sessionId }) => sessionId ?? ''));
  if (others.length > 0 && (sessions.size > 1 || sessions.has(''))) throw ambiguous(asked, calls);
  if (context.json) context.printJson({ asked, calls: calls.map(showCall) });
  else
    for (const [index, call] of calls.entries())
      context.print(...(index === 0 ? [] : ['']), ...describeCall(context, call));
  return EXIT.ok;
}

async function findCalls(context: CliContext, asked: string): Promise<ToldCall[]> {
  const folder = join(context.config.paths.journal, 'grec-sipd');
  const part = partOfId(asked === 'last' ? (readJournal(() => lastCall(folder)) ?? '') : asked);
  if (part === undefined) return [];
  const live = await findLive(context, part);
  const told = readJournal(() => findInJournal(folder, part));
  for (const [call, events] of live ?? []) told.set(call, merged(told.get(call) ?? [], events));
  const calls = [...told].map(([call, events]) => {
    const isUp = live?.has(call) === true && !events.some(({ type }) => ENDS.includes(type));
    return toldCall(call, isUp, 'journal', events);
  });
  return calls.length > 0 ? calls : findInCatalog(context, asked, folder);
}

const ENDS = ['call.released', 'call.refused'];

/** The journal tells more of a call of an earlier life of the switch, the switch more while the disk takes nothing. */
function merged(told: readonly JournalEvent[], live: readonly JournalEvent[]): JournalEvent[] {
  const later = live.filter(({ seq, at }) => !told.some((event) => event.seq === seq && event.at === at));
  return [...told, ...later].sort((one, other) => one.at - other.at);
}

/** The events of calls that are up, by call; undefined when the switch does not run. */
async function findLive(context: CliContext, part: string): Promise<Map<string, JournalEvent[]> | undefined> {
  try {
    const path = `/decisions/${part}`;
    const { calls } = await askSwitch<{ calls: JournalEvent[][] }>(context, 'GET', path);
    return new Map(calls.map((events) => [callOf(events), events]));
  } catch (thrown) {
    const { code } = thrown as GrecError;
    if (code === 'DAEMON_NOT_RUNNING') return undefined;
    throw thrown;
  }
}

function callOf([first]: readonly JournalEvent[]): string {
  return first !== undefined && 'call' in first ? (first.call ?? '') : '';
}

/** A recording whose call is in no journal any more, or has a name of its own. */
function findInCatalog(context: CliContext, asked: string, folder: string): ToldCall[] {
  const row = findRow(context, asked);
  if (row === undefined) return [];
  const ofSession = row.sessionId === null ? new Map() : findInJournal(folder, row.sessionId);
  if (ofSession.size > 0)
    return [...ofSession].map(([call, events]) => toldCall(call, false, 'journal', events));
  const call = archivedCall(context, row);
  return call === undefined ? [] : [call];
}

function findRow(context: CliContext, asked: string): RecordingRow | undefined {
  try {
    const catalog = openCatalogReader(context.config.paths.catalog);
    try {
      return catalog.find(asked);
    } finally {
      catalog.close();
    }
  } catch (thrown) {
    const { code } = thrown as GrecError;
    if (code === 'RECORDING_UNKNOWN' || code === 'CATALOG_UNUSABLE') return undefined;
    throw thrown;
  }
}

/** The metadata of a recording carries the events of its call. */
function archivedCall(context: CliContext, row: RecordingRow): ToldCall | undefined {
  const files = filesOf(context, row);
  if (files === undefined) return undefined;
  const metadata = readMetadata(files.directory);
  const { callUuids } = metadata;
  const events = journaledEvents(metadata).flatMap(({ occurredAt, event: type, ...rest }) => {
    const line = { ...rest, type, at: Date.parse(occurredAt) * 1000, seq: 1, daemon: 'grec-sipd' };
    const parsed = parseEvent(JSON.stringify(line));
    return 'event' in parsed && isDecisionEvent(parsed.event) ? [parsed.event] : [];
  });
  return toldCall(callUuids[0] ?? row.id, false, 'archive', events);
}

function toldCall(
  call: string,
  isUp: boolean,
  source: ToldCall['source'],
  events: readonly JournalEvent[],
): ToldCall {
  // The conversation that it was part of in the end.
  const said = events.findLast((event) => 'sessionId' in event);
  return {
    call,
    sessionId: said && 'sessionId' in said ? said.sessionId : undefined,
    isUp,
    source,
    events,
  };
}

function unknownCall(asked: string): GrecError {
  if (asked === 'last') return new GrecError('CALL_UNKNOWN', 'there was no call yet');
  return new GrecError('CALL_UNKNOWN', `there is no call and no recording ${JSON.stringify(asked)}`, {
    hint: 'give the id of a call, a recording or a conversation, any part of one with at least 4 hex digits, or `last`; `grec ls` shows the recordings',
  });
}

const MOST_SHOWN = 8;

function ambiguous(asked: string, calls: readonly ToldCall[]): GrecError {
  const shown = calls.slice(0, MOST_SHOWN).map(({ call, events: [first] }) => {
    return `  ${call}  ${first === undefined ? '' : new Date(first.at / 1000).toISOString()}`;
  });
  const more = calls.length > MOST_SHOWN ? ['  …'] : [];
  const message = [`${JSON.stringify(asked)} is part of several calls' ids:`, ...shown, ...more].join('\n');
  return new GrecError('CALL_AMBIGUOUS', message, { hint: 'give more digits of the id' });
}
