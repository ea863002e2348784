// The chain of an archive: each manifest carries the hash of the one before, so that a missing recording shows.
//
// A link is made in this order, one at a time, each step synced before the next:
//
//   1. the manifest is written and signed, in the hidden directory of the recording
//   2. its link is noted as pending
//   3. the recording takes its place, by rename
//   4. the link is added to the links, and nothing is pending any more
//
// A crash before 3 leaves no recording, and its number is used again; one after 3 leaves a recording with the hash that is
// pending, whose link is added before the next one is made. A link that was added stays, whatever becomes of the recording.
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import { syncPath } from '../sync.ts';
import { parseAct } from './act.ts';
import { checkAllActs } from './check-acts.ts';
import { sha256 } from './digest.ts';
import {
  CHAIN_FOLDER,
  documentOf,
  encodeLink,
  isAct,
  type Link,
  linksFile,
  listLinksFiles,
  parseLink,
  pendingFile,
  readPending,
} from './links.ts';
import { LARGEST_MANIFEST_BYTES, type Manifest, parseManifest } from './manifest.ts';
import { readPublicKeys } from './public-keys.ts';
import { checkRecording } from './verify-recording.ts';
import { walkArchive } from './walk.ts';

const END_BYTES = 4096;

/** What the next manifest carries. */
export type NextLink = Pick<Manifest, 'sequence' | 'previous'>;

/** A recording, or an act, on its way into the chain. */
export interface Entry {
  /** Writes and signs what is to be placed; returns undefined when nothing is to be added after all. */
  prepare(next: NextLink): Promise<Omit<Link, 'sequence'> | undefined>;
  /** Puts it in its place. */
  place(): Promise<void>;
}

/** What is under way in an archive, and the last link that this process has made: nobody makes it forget one. */
const archives = new Map<string, { turn: Promise<unknown>; last?: Link }>();

/** One after the other, for each archive. */
function inTurn<T>(archive: string, work: (state: { last?: Link }) => Promise<T>): Promise<T> {
  const state = archives.get(archive) ?? { turn: Promise.resolve() };
  archives.set(archive, state);
  const done = state.turn.then(() => work(state));
  state.turn = done.catch(() => undefined);
  return done;
}

/** Makes the next link. Throws Node's system errors; what was begun then is made good by the next one. */
export function addToChain(archive: string, { prepare, place }: Entry): Promise<void> {
  return inTurn(archive, async (state) => {
    const head = later(await repair(archive), state.last);
    const { sequence } = head ?? { sequence: 0 };
    const previous = head === undefined ? null : { sequence, sha256: head.sha256 };
    const prepared = await prepare({ sequence: sequence + 1, previous });
    if (prepared === undefined) return;
    const link = { ...prepared, sequence: sequence + 1 };
    await notePending(archive, encodeLink(link));
    await place();
    state.last = link;
    await append(archive, [link]);
    await notePending(archive, '');
  });
}

/** Makes good what a crash left half done. Throws Node's system errors. @returns the last link */
export function repairChain(archive: string): Promise<Link | undefined> {
  return inTurn(archive, () => repair(archive));
}

function later(one: Link | undefined, other: Link | undefined): Link | undefined {
  return (one?.sequence ?? 0) >= (other?.sequence ?? 0) ? one : other;
}

async function repair(archive: string): Promise<Link | undefined> {
  const files = listLinksFiles(archive);
  const noted = files.length === 0 ? await rebuild(archive) : await lastLink(archive, files);
  const head = noted ?? (await scan(archive)).at(-1);
  const pending = readPending(archive);
  if (pending === undefined || pending.sequence !== (head?.sequence ?? 0) + 1) return head;
  const placed = documentIn(archive, pending);
  if (placed === undefined || sha256(placed) !== pending.sha256) return head;
  await append(archive, [pending]);
  await notePending(archive, '');
  return pending;
}

/** What the last whole line says; undefined when it is damaged, or there is none. */
async function lastLink(archive: string, files: readonly string[]): Promise<Link | undefined> {
  for (const file of files.toReversed()) {
    const [before, last] = (await readEnd(join(archive, file))).text.split('\n').slice(0, -1).slice(-2);
    const link = parseLink(last ?? before ?? '');
    if (link !== undefined && isPlausible(archive, link, last && before)) return link;
    if (before !== undefined) return undefined;
  }
  return undefined;
}

/** By its recording; when that is gone or changed, by the line before. */
function isPlausible(archive: string, link: Link, before: string | undefined): boolean {
  const bytes = documentIn(archive, link);
  if (bytes !== undefined && sha256(bytes) === link.sha256) return sequenceOf(bytes, link) === link.sequence;
  return before === undefined || (parseLink(before)?.sequence ?? link.sequence - 1) === link.sequence - 1;
}

function sequenceOf(bytes: Buffer, link: Link): number | undefined {
  if (isAct(link)) {
    const parsed = parseAct(bytes);
    return 'value' in parsed ? parsed.value.sequence : undefined;
  }
  const parsed = parseManifest(bytes);
  return 'manifest' in parsed && 'sequence' in parsed.manifest ? parsed.manifest.sequence : undefined;
}

async function readEnd(file: string) {
  const handle = await open(file, 'r');
  try {
    return await endOf(handle);
  } finally {
    await handle.close();
  }
}

/** The last kilobytes of a file, in which there are several lines, and where they begin. */
async function endOf(handle: FileHandle): Promise<{ from: number; text: string }> {
  const { size } = await handle.stat();
  const from = Math.max(0, size - END_BYTES);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(END_BYTES), 0, END_BYTES, from);
  return { from, text: buffer.toString('latin1', 0, bytesRead) };
}

/** The manifest or act of a link, undefined when there is none that could be one. */
function documentIn(archive: string, link: Link): Buffer | undefined {
  try {
    return readRegularFile(join(archive, documentOf(link)), LARGEST_MANIFEST_BYTES);
  } catch (thrown) {
    const code = systemCode(thrown);
    if (code === undefined || code === 'ENOTDIR') return undefined;
    throw thrown;
  }
}

/** The links of an archive that has lost them, or never had any. */
async function rebuild(archive: string): Promise<Link | undefined> {
  const links = await scan(archive);
  await mkdir(join(archive, CHAIN_FOLDER), { recursive: true, mode: 0o750 });
  await syncPath(archive);
  const files = Map.groupBy(links, ({ sequence }) => linksFile(archive, sequence));
  for (const group of files.values()) await append(archive, group);
  return links.at(-1);
}

/** The links that signed manifests prove themselves, in order. */
async function scan(archive: string): Promise<Link[]> {
  const grounds = { archive, keys: readPublicKeys(archive).byId };
  const links: Link[] = [];
  for await (const found of walkArchive(archive)) {
    if (found.kind === 'recording')
      links.push(...(await checkRecording(grounds, found.path, { isLight: true })).links);
  }
  links.push(...checkAllActs(grounds).links);
  return links.sort((one, other) => one.sequence - other.sequence);
}

/** Adds links that belong in one file. An unfinished line before them is a crash's trace, and makes room. */
async function append(archive: string, links: readonly Link[]): Promise<void> {
  const file = linksFile(archive, links[0]?.sequence ?? 1);
  const handle = await openOrCreate(file);
  try {
    const { from, text } = await endOf(handle);
    const end = from + text.lastIndexOf('\n') + 1;
    await handle.truncate(end);
    await handle.write(links.map(encodeLink).join(''), end);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function notePending(archive: string, text: string): Promise<void> {
  const handle = await openOrCreate(pendingFile(archive));
  try {
    await handle.truncate(0);
    await handle.write(text, 0);
    // What is not pending any more is known by its number.
    if (text !== '') await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function openOrCreate(file: string) {
  try {
    return await open(file, 'r+');
  } catch (thrown) {
    if (systemCode(thrown) !== 'ENOENT') throw thrown;
  }
  await mkdir(dirname(file), { recursive: true, mode: 0o750 });
  const handle = await open(file, 'a+', 0o640);
  await handle.close();
  await syncPath(dirname(file));
  return open(file, 'r+');
}
