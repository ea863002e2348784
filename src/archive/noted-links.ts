// The links that are noted in an archive, read to be checked: damaged ones are found, the others looked up.
import { basename, join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Finding } from './finding.ts';
import { type Link, linksFile, listLinksFiles, parseLink, readPending } from './links.ts';
import { readRegularFile } from './regular-file.ts';

/** 10,000 links have 2 MB. */
const LARGEST_BYTES = 16 << 20;

/** Reads each file of links when it is first asked for. */
export class NotedLinks {
  readonly findings: Finding[] = [];
  readonly #archive: string;
  readonly #files: string[];
  readonly #read = new Map<string, Link[]>();

  /** Throws Node's system errors when the archive cannot be read. */
  constructor(archive: string) {
    this.#archive = archive;
    this.#files = listLinksFiles(archive);
  }

  get isEmpty(): boolean {
    return this.#files.length === 0;
  }

  /** The link with this number; one that is being made counts. */
  at(sequence: number): Link | undefined {
    const path = linksFile('', sequence);
    const noted = this.#files.includes(path)
      ? this.#linksOf(path).find((link) => link.sequence === sequence)
      : undefined;
    if (noted !== undefined) return noted;
    const pending = readPending(this.#archive);
    return pending?.sequence === sequence ? pending : undefined;
  }

  /** In order. */
  *all(): Generator<Link> {
    for (const path of this.#files) yield* this.#linksOf(path);
  }

  /** The highest number. */
  get last(): Link | undefined {
    for (const path of this.#files.toReversed()) {
      const last = this.#linksOf(path).at(-1);
      if (last !== undefined) return last;
    }
    return undefined;
  }

  #linksOf(path: string): Link[] {
    const known = this.#read.get(path);
    if (known !== undefined) return known;
    const links: Link[] = [];
    this.#read.set(path, links);
    try {
      const bytes = readRegularFile(join(this.#archive, path), LARGEST_BYTES) ?? Buffer.alloc(0);
      this.#parse(path, bytes.toString('latin1'), links);
    } catch (thrown) {
      this.#report(path, messageOf(thrown));
    }
    return links;
  }

  #parse(path: string, text: string, links: Link[]): void {
    const lines = text.split('\n');
    // A crash's trace, or a line that is being written.
    lines.pop();
    for (const [index, line] of lines.entries()) {
      const link = parseLink(line);
      const before = links.at(-1)?.sequence ?? Number(basename(path).slice(0, 12)) - 1;
      if (link === undefined) this.#report(path, `line ${index + 1} is damaged`);
      else if (link.sequence <= before || linksFile('', link.sequence) !== path)
        this.#report(path, `line ${index + 1} is out of its place`);
      else links.push(link);
    }
  }

  #report(path: string, message: string): void {
    this.findings.push({ code: 'links-damaged', path, message });
  }
}
