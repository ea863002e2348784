// What lies in the spool: each segment's facts, read again only when they have grown.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { CAPTURE_FILE, FACTS_FILE, FAILED_FOLDER, parseFacts, type SegmentFacts } from '../spool/segment.ts';

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
      return folders.flatMap(({ name }) => (name === FAILED_FOLDER ? [] : [name])).sort();
    } catch (thrown) {
      if (systemCode(thrown) === 'ENOENT') return [];
      throw thrown;
    }
  }

  #look(id: string): SegmentEntry | undefined {
    return readEntry(this.#directory, id, this.#source, this.#entries.get(id));
  }
}

/** @param known what the last look saw: it is the same when nothing has changed. Throws Node's system errors. */
export function readEntry(
  folder: string,
  id: string,
  source: number,
  known?: SegmentEntry,
): SegmentEntry | undefined {
  const directory = join(folder, id);
  const file = join(directory, FACTS_FILE);
  try {
    const { size, mtimeMs } = statSync(file);
    if (known?.size === size && known.changedAt === mtimeMs) return known;
    return { ...createEntry(id, directory, readFileSync(file, 'utf8'), size, mtimeMs), source };
  } catch (thrown) {
    if (systemCode(thrown) !== 'ENOENT') throw thrown;
    const empty = emptyEntry(id, directory);
    return empty && { ...empty, source };
  }
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
function emptyEntry(id: string, directory: string): Omit<SegmentEntry, 'source'> | undefined {
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const captureFile = join(directory, CAPTURE_FILE);
  const problem = `there is no ${FACTS_FILE}`;
  return { id, directory, captureFile, facts: undefined, problem, changedAt: found.mtimeMs, size: -1 };
}
