// What lies in the spool: each segment's facts, read again only when they have grown.
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, systemCode } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import {
  ASIDE_FOLDERS,
  CAPTURE_FILE,
  FACTS_FILE,
  FAILED_FOLDER,
  KEPT_FOLDER,
  LARGEST_FACTS_BYTES,
  parseFacts,
  type SegmentFacts,
} from '../spool/segment.ts';

/** What the system will say of a file tomorrow, too. */
const LASTING = new Set(['EISDIR', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG']);

export interface SegmentEntry {
  id: string;
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
  #entries = new Map<string, SegmentEntry>();

  constructor(directory: string) {
    this.#directory = directory;
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
    const directory = join(this.#directory, id);
    const file = join(directory, FACTS_FILE);
    try {
      const { size, mtimeMs } = lstatSync(file);
      const known = this.#entries.get(id);
      if (known?.size === size && known.changedAt === mtimeMs) return known;
      const bytes = readRegularFile(file, LARGEST_FACTS_BYTES);
      if (bytes === undefined) return emptyEntry(id, directory, `there is no ${FACTS_FILE}`);
      return createEntry(id, directory, bytes.toString('utf8'), size, mtimeMs);
    } catch (thrown) {
      return this.#unreadable(id, directory, thrown);
    }
  }

  /** One that cannot be read for what it is holds up no other; what the system refuses for now is tried again. */
  #unreadable(id: string, directory: string, thrown: unknown): SegmentEntry | undefined {
    const code = systemCode(thrown);
    if (code === 'ENOENT') return emptyEntry(id, directory, `there is no ${FACTS_FILE}`);
    if (code !== undefined && !LASTING.has(code)) throw thrown;
    return emptyEntry(id, directory, `${FACTS_FILE}: ${messageOf(thrown)}`);
  }

  /** Takes a segment that has become a recording out of the spool. */
  async remove(id: string): Promise<void> {
    await rm(join(this.#directory, id), { recursive: true, force: true });
  }

  /** Keeps a segment that could not be made into audio. */
  setAside(id: string): Promise<void> {
    return this.#moveTo(FAILED_FOLDER, id);
  }

  /** Keeps a segment that has become a recording. */
  keep(id: string): Promise<void> {
    return this.#moveTo(KEPT_FOLDER, id);
  }

  async #moveTo(name: string, id: string): Promise<void> {
    const folder = join(this.#directory, name);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    await rename(join(this.#directory, id), join(folder, id)).catch((thrown: unknown) => {
      if (systemCode(thrown) !== 'ENOENT') throw thrown;
    });
  }
}

function createEntry(
  id: string,
  directory: string,
  text: string,
  size: number,
  changedAt: number,
): SegmentEntry {
  const parsed = parseFacts(text);
  const facts = 'facts' in parsed ? parsed.facts : undefined;
  const problem = 'problem' in parsed ? parsed.problem : undefined;
  return { id, directory, captureFile: join(directory, CAPTURE_FILE), facts, problem, changedAt, size };
}

/** A folder whose facts are not written yet, or never will be; gone when somebody else has just taken it away. */
function emptyEntry(id: string, directory: string, problem: string): SegmentEntry | undefined {
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const captureFile = join(directory, CAPTURE_FILE);
  return { id, directory, captureFile, facts: undefined, problem, changedAt: found.mtimeMs, size: -1 };
}
