// The links of the archive's chain, as they are noted beside the recordings: which manifest has which number, and where.
//
//   archive/chain/000000000001.jsonl    one link a line, 10,000 a file; the name is the number of its first one
//   archive/chain/pending               the link that is being made; empty when none is
//
// They are an index over the manifests, and over the acts (act.ts) that are links as well: what they say can be found again from these, and grec verify compares both.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { systemCode } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import { MANIFEST_FILE } from './manifest.ts';

export const CHAIN_FOLDER = 'chain';
const LINKS_A_FILE = 10_000;
const LARGEST_LINK_BYTES = 4096;
/** 10,000 links have 2 MB. */
export const LARGEST_LINKS_BYTES = 16 << 20;
const LINKS_NAME = /^\d{12}\.jsonl$/;
/** Of a path that an index may name, a recording or an act: nothing outside of the archive. */
const LINKED_PATH =
  /^(\d{4}\/\d\d\/\d\d\/[0-9a-f-]{36}|acts\/[0-9a-f]{2}\/[0-9a-f-]{36}\/\d{12}\.json|purged\/\d{12}\.json)$/;

const linkSchema = v.strictObject({
  sequence: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  id: v.string(),
  /** Of the recording's directory, or of the file of an act; relative to the archive. */
  path: v.pipe(v.string(), v.regex(LINKED_PATH)),
  /** Of the bytes of its manifest, or of the act. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});
export type Link = v.InferOutput<typeof linkSchema>;

/** Whether it is the link of an act, not of a recording. */
export function isAct({ path }: Pick<Link, 'path'>): boolean {
  return path.endsWith('.json');
}

/** The file whose hash a link has, relative to the archive. */
export function documentOf(link: Pick<Link, 'path'>): string {
  return isAct(link) ? link.path : join(link.path, MANIFEST_FILE);
}

export function pendingFile(archive: string): string {
  return join(archive, CHAIN_FOLDER, 'pending');
}

/** The file in which a link is noted. */
export function linksFile(archive: string, sequence: number): string {
  const first = sequence - ((sequence - 1) % LINKS_A_FILE);
  return join(archive, CHAIN_FOLDER, `${String(first).padStart(12, '0')}.jsonl`);
}

/** The line of a link, with its line feed. */
export function encodeLink({ sequence, id, path, sha256 }: Link): string {
  return `${JSON.stringify({ sequence, id, path, sha256 })}\n`;
}

export function parseLink(line: string): Link | undefined {
  try {
    const result = v.safeParse(linkSchema, JSON.parse(line));
    // Only one spelling of each link is ours.
    return result.success && encodeLink(result.output) === `${line}\n` ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** Files of links, relative to the archive, in order. Throws Node's system errors, but for a chain that does not exist yet. */
export function listLinksFiles(archive: string): string[] {
  try {
    const names = readdirSync(join(archive, CHAIN_FOLDER)).filter((name) => LINKS_NAME.test(name));
    return names.sort().map((name) => join(CHAIN_FOLDER, name));
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

/** The link that is being made, or was when a process ended. Throws Node's system errors, and an Error when it is no file. */
export function readPending(archive: string): Link | undefined {
  const bytes = readRegularFile(pendingFile(archive), LARGEST_LINK_BYTES);
  return bytes && parseLink(bytes.toString('latin1').replace(/\n$/, ''));
}

/** Links with a higher number than `sequence`, in order, as they are noted; what is damaged is left out. Throws Node's system errors. */
export function* linksAfter(archive: string, sequence: number): Generator<Link> {
  const first = linksFile('', sequence + 1);
  for (const path of listLinksFiles(archive)) {
    if (path < first) continue;
    const bytes = readRegularFile(join(archive, path), LARGEST_LINKS_BYTES) ?? Buffer.alloc(0);
    for (const line of bytes.toString('latin1').split('\n').slice(0, -1)) {
      const link = parseLink(line);
      if (link !== undefined && link.sequence > sequence) yield link;
    }
  }
}
