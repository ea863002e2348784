// Finding a call in the journal of grec-sipd by a part of its id: newest files first, and no further back than it takes.
import { GrecError, messageOf } from '../errors.ts';
import { isDecisionEvent, isOfCall } from '../spool/call-events.ts';
import type { JournalEvent } from '../spool/events.ts';
import { listJournalFiles } from '../spool/journal-files.ts';
import { patternOf, searchJournal } from '../spool/journal-search.ts';

/** A shorter part may be that of many calls: then every file is looked at. */
const TELLING_LENGTH = 8;
const BEGINNINGS = ['call.created', 'call.refused'];

/**
 * The events of every call that has this part of an id (its own, that of a recording, of its conversation), by call, in the
 * order of the journal. Lines that cannot be read are passed over. Throws Node's system errors.
 * @param folder of the journal
 * @param part hexadecimal digits without dashes
 */
export function findInJournal(folder: string, part: string): Map<string, JournalEvent[]> {
  const files = listJournalFiles(folder).toReversed();
  const pattern = new RegExp([...part].join('-?'), 'gi');
  const missing = new Set<string>();
  const found = new Set<string>();
  let looked = 0;
  for (const file of files) {
    const matched = searchJournal(folder, file, pattern).filter((event) => isOfCall(event, part));
    looked += 1;
    for (const event of matched) note(event, found, missing);
    // A conversation of several calls may lie on both sides of the beginning of a file.
    const isEnough = part.length >= TELLING_LENGTH && found.size > 0 && missing.size === 0;
    if (isEnough && matched.length === 0) break;
  }
  return collect(folder, files.slice(0, looked).toReversed(), found);
}

/** The call that began last; undefined when the journal knows none. */
export function lastCall(folder: string): string | undefined {
  for (const file of listJournalFiles(folder).toReversed()) {
    const begun = searchJournal(folder, file, /"type":"call\.(created|refused)"/g);
    const last = begun.findLast(({ type }) => BEGINNINGS.includes(type));
    if (last !== undefined && 'call' in last) return last.call;
  }
  return undefined;
}

function note(event: JournalEvent, found: Set<string>, missing: Set<string>): void {
  if (!('call' in event) || event.call === undefined) return;
  if (BEGINNINGS.includes(event.type)) missing.delete(event.call);
  else if (!found.has(event.call)) missing.add(event.call);
  found.add(event.call);
}

function collect(folder: string, files: string[], calls: ReadonlySet<string>): Map<string, JournalEvent[]> {
  const byCall = new Map<string, JournalEvent[]>();
  if (calls.size === 0) return byCall;
  const pattern = patternOf(calls);
  for (const event of files.flatMap((file) => searchJournal(folder, file, pattern))) {
    if (!('call' in event) || event.call === undefined || !isDecisionEvent(event)) continue;
    const events = byCall.get(event.call);
    if (events === undefined) byCall.set(event.call, [event]);
    else events.push(event);
  }
  return byCall;
}

/** Says of the system's errors what to do about them. @throws GrecError JOURNAL_INVALID */
export function readJournal<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw new GrecError('JOURNAL_INVALID', `cannot read the journal of grec-sipd: ${messageOf(thrown)}`, {
      hint: 'run as the user that runs the daemons, or as root',
      cause: thrown,
    });
  }
}
