// Looking for something in a journal: the lines in which it stands, without parsing the others.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalEvent } from './events.ts';
import { parseEvent } from './journal-files.ts';

/**
 * The events of the lines in which the pattern stands, in the order of the file. Lines that cannot be read are passed over.
 * Throws Node's system errors.
 * @param pattern global
 */
export function searchJournal(folder: string, file: string, pattern: RegExp): JournalEvent[] {
  const text = readFileSync(join(folder, file), 'utf8');
  const events: JournalEvent[] = [];
  let end = 0;
  for (const { index } of text.matchAll(pattern)) {
    if (index < end) continue;
    const start = text.lastIndexOf('\n', index) + 1;
    const newline = text.indexOf('\n', index);
    // A half last line is being written.
    if (newline < 0) break;
    end = newline;
    const parsed = parseEvent(text.slice(start, end));
    if ('event' in parsed) events.push(parsed.event);
  }
  return events;
}

/** A global pattern that finds each of these texts. @param texts at least one */
export function patternOf(texts: Iterable<string>): RegExp {
  return new RegExp([...texts].map(literal).join('|'), 'g');
}

function literal(text: string): string {
  return text.replaceAll(/[^\w-]/g, '\\$&');
}
