// What lies in the spool: each segment's facts, read again only when they have grown.
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemCode } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import {
  ASIDE_FOLDERS,
  CAPTURE_FILE,
  FACTS_FILE,
  LARGEST_FACTS_BYTES,
  parseFacts,
  type SegmentFacts,
} from '../spool/segment.ts';

/** What the system will say of a file tomorrow, too. */
const LASTING = new Set(['EISDIR', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG']);

export interface SegmentEntry {
  id: string;
  /** Whose spool it lies in; 0 is our own. */
  source: number;
  directory: string;
  captureFile: string;
  /** Undefined while they cannot be understood; `problem` says why. */
  facts: SegmentFacts | undefined;
  problem: string | undefined;
  /** Last change of the facts, milliseconds since 1970. */
  changedAt: number;
  size: number;
}

/** The segments of one spool directory. */
export class SpoolScan {
  readonly #directory: string;
  readonly #source: number;
  #entries = new Map<string, SegmentEntry>();

  constructor(directory: string, source = 0) {
    this.#directory = directory;
    this.#source = source;
  }

  /** Looks again; segments in order of their names. Throws Node's system errors. */
  refresh(): SegmentEntry[] {
    const entries = new Map<string, SegmentEntry>();
    for (const id of this.#names()) {
      const entry = this.#look(id);
      if (entry !== undefined) entries.set(id, entry);
    }
    this.#entries = entries;
    return [...entries.values()];
  }

  /** As the last {@link refresh} saw them. */
  entries(): SegmentEntry[] {
    return [...this.#entries.values()];
  }

  get(id: string): SegmentEntry | undefined {
    return this.#entries.get(id);
  }

  /** It is not there any more. */
  forget(id: string): void {
    this.#entries.delete(id);
  }

  #names(): string[] {
    try {
      const found = readdirSync(this.#directory, { withFileTypes: true });
      const folders = found.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
      return folders.flatMap(({ name }) => (ASIDE_FOLDERS.includes(name) ? [] : [name])).sort();
    } catch (thrown) {
      if (systemCode(thrown) === 'ENOENT') return [];
      throw thrown;
    }
  }

  #look(id: string): SegmentEntry | undefined {
    const known = this.#entries.get(id);
    // Nothing follows its end.
    if (known?.facts?.closed !== undefined) return known;
    return readEntry(this.#directory, id, this.#source, known);
  }
}

/** @param known what the last look saw: it is the same when nothing has changed. Throws what the system refuses for now. */
export function readEntry(
  folder: string,
  id: string,
  source: number,
  known?: SegmentEntry,
): SegmentEntry | undefined {
  const directory = join(folder, id);
  const file = join(directory, FACTS_FILE);
  try {
    const { size, mtimeMs } = lstatSync(file);
    if (known?.size === size && known.changedAt === mtimeMs) return known;
    const bytes = readRegularFile(file, LARGEST_FACTS_BYTES);
    if (bytes === undefined) return emptyEntry({ id, source, directory }, `there is no ${FACTS_FILE}`);
    return { ...createEntry(id, directory, bytes.toString('utf8'), size, mtimeMs), source };
  } catch (thrown) {
    return unreadable({ id, source, directory }, thrown);
  }
}

/** One that cannot be read for what it is holds up no other; what the system refuses for now is tried again. */
function unreadable(
  entry: Pick<SegmentEntry, 'id' | 'source' | 'directory'>,
  thrown: unknown,
): SegmentEntry | undefined {
  const code = systemCode(thrown);
  if (code === 'ENOENT') return emptyEntry(entry, `there is no ${FACTS_FILE}`);
  if (code !== undefined && !LASTING.has(code)) throw thrown;
  return emptyEntry(entry, `${FACTS_FILE}: ${messageOf(thrown)}`);
}

function createEntry(
  id: string,
  directory: string,
  text: string,
  size: number,
  changedAt: number,
): Omit<SegmentEntry, 'source'> {
  const parsed = parseFacts(text);
  const facts = 'facts' in parsed ? parsed.facts : undefined;
  const problem = 'problem' in parsed ? parsed.problem : undefined;
  return { id, directory, captureFile: join(directory, CAPTURE_FILE), facts, problem, changedAt, size };
}

/** A folder whose facts are not written yet, or never will be; gone when somebody else has just taken it away. */
function emptyEntry(
  entry: Pick<SegmentEntry, 'id' | 'source' | 'directory'>,
  problem: string,
): SegmentEntry | undefined {
  const found = statSync(entry.directory, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const captureFile = join(entry.directory, CAPTURE_FILE);
  return { ...entry, captureFile, facts: undefined, problem, changedAt: found.mtimeMs, size: -1 };
}
