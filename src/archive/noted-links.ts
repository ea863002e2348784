// The links that are noted in an archive, read to be checked: damaged ones are found, the others looked up.
import { basename, join } from 'node:path';
import { messageOf } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import type { Finding } from './finding.ts';
import {
  LARGEST_LINKS_BYTES,
  type Link,
  linksFile,
  listLinksFiles,
  parseLink,
  pendingFile,
  readPending,
} from './links.ts';

/** Reads each file of links when it is first asked for. */
export class NotedLinks {
  readonly findings: Finding[] = [];
  readonly #archive: string;
  readonly #files: string[];
  readonly #read = new Map<string, Map<number, Link>>();
  readonly #pending: Link | undefined;

  /** Throws Node's system errors when the archive cannot be read. */
  constructor(archive: string) {
    this.#archive = archive;
    this.#pending = this.#readPending();
    // After what is pending: it is in one of both.
    this.#files = listLinksFiles(archive);
  }

  get isEmpty(): boolean {
    return this.#files.length === 0;
  }

  /** The link with this number; one that is being made counts. */
  at(sequence: number): Link | undefined {
    const path = linksFile('', sequence);
    const noted = this.#files.includes(path) ? this.#linksOf(path).get(sequence) : undefined;
    return noted ?? (this.#pending?.sequence === sequence ? this.#pending : undefined);
  }

  #readPending(): Link | undefined {
    try {
      return readPending(this.#archive);
    } catch (thrown) {
      this.#report(pendingFile(''), messageOf(thrown));
      return undefined;
    }
  }

  /** In order. */
  *all(): Generator<Link> {
    for (const path of this.#files) yield* this.#linksOf(path).values();
  }

  /** The highest number. */
  get last(): Link | undefined {
    for (const path of this.#files.toReversed()) {
      const last = [...this.#linksOf(path).values()].at(-1);
      if (last !== undefined) return last;
    }
    return undefined;
  }

  #linksOf(path: string): Map<number, Link> {
    const known = this.#read.get(path);
    if (known !== undefined) return known;
    const links = new Map<number, Link>();
    this.#read.set(path, links);
    try {
      const bytes = readRegularFile(join(this.#archive, path), LARGEST_LINKS_BYTES) ?? Buffer.alloc(0);
      this.#parse(path, bytes.toString('latin1'), links);
    } catch (thrown) {
      this.#report(path, messageOf(thrown));
    }
    return links;
  }

  #parse(path: string, text: string, links: Map<number, Link>): void {
    const lines = text.split('\n');
    // A crash's trace, or a line that is being written.
    lines.pop();
    let before = Number(basename(path).slice(0, 12)) - 1;
    for (const [index, line] of lines.entries()) {
      const link = parseLink(line);
      if (link === undefined) this.#report(path, `line ${index + 1} is damaged`);
      else if (link.sequence <= before || linksFile('', link.sequence) !== path)
        this.#report(path, `line ${index + 1} is out of its place`);
      else {
        links.set(link.sequence, link);
        before = link.sequence;
      }
    }
  }

  #report(path: string, message: string): void {
    this.findings.push({ code: 'links-damaged', path, message });
  }
}
