// One recording from the archive into a storage: every file, each read back and compared, the manifest last, so that a
// directory with a manifest is complete there.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { digestFile } from '../archive/digest.ts';
import { LARGEST_MANIFEST_BYTES, MANIFEST_FILE, parseManifest, SIGNATURE_FILE } from '../archive/manifest.ts';
import { KEYS_FOLDER } from '../archive/signing-key.ts';
import { GrecError, messageOf } from '../errors.ts';
import { readRegularFile } from '../regular-file.ts';
import { localFile, type Store, type StoredFile } from '../storage/store.ts';

export interface CopyTask {
  archive: string;
  /** The recording's directory, relative to the archive and to the storage. */
  path: string;
  store: Store;
  /** Names that may be there already. */
  files: readonly string[];
  /** Public keys that are there, or on their way, by their ids. */
  keys: Map<string, Promise<void>>;
  /** Told before anything is put: these may be there from now on. */
  willPut(files: readonly string[]): void;
}

export interface Copied {
  files: string[];
  /** Bytes. */
  size: number;
}

/** Errors that say nothing about a file. */
const OF_THE_STORAGE = new Set<string>(['STORAGE_UNREACHABLE', 'STORAGE_REFUSED', 'CONFIG_INVALID']);

interface Named {
  name: string;
  file: StoredFile;
}

/** What is there, and was put by whom it may, is not put again. Throws what the store throws, and GrecError RECORDING_UNREADABLE, STORAGE_DIFFERS. */
export async function copyRecording(task: CopyTask): Promise<Copied> {
  const local = await readLocal(join(task.archive, task.path));
  const names = local.files.map(({ name }) => name);
  const there = await readThere(task);
  const before = [...new Set([...task.files, ...there.files])];
  task.willPut([...new Set([...before, ...names, MANIFEST_FILE])]);
  const isSame = there.sha256 === local.manifest.file.sha256;
  if (!(isSame && (await areSame(task, local.files)))) {
    // A manifest says that all is there: not from now on.
    if (there.sha256 !== undefined) await task.store.remove(join(task.path, MANIFEST_FILE));
    for (const one of local.files) await place(task, one, before.includes(one.name));
    await placeKey(task, local.key);
    await place(task, local.manifest, false);
  }
  for (const name of before)
    if (name !== MANIFEST_FILE && !names.includes(name)) await task.store.remove(join(task.path, name));
  const all = [...local.files, local.manifest];
  return { files: all.map(({ name }) => name), size: all.reduce((sum, { file }) => sum + file.size, 0) };
}

/** Throws what the store throws. @param files that may be there */
export async function removeCopy(store: Store, path: string, files: readonly string[]): Promise<void> {
  await store.remove(join(path, MANIFEST_FILE));
  await store.removeFolder(path, [...new Set([...files, MANIFEST_FILE])]);
}

/** @throws GrecError RECORDING_UNREADABLE */
async function readLocal(directory: string): Promise<{ files: Named[]; manifest: Named; key?: string }> {
  try {
    const bytes = readRegularFile(join(directory, MANIFEST_FILE), LARGEST_MANIFEST_BYTES);
    if (bytes === undefined) throw new Error('it has no manifest');
    const parsed = parseManifest(bytes);
    if ('problem' in parsed) throw new Error(`${MANIFEST_FILE}: ${parsed.problem}`);
    const { files } = parsed.manifest;
    const key = parsed.manifest.version === 1 ? undefined : parsed.manifest.key;
    const named = files.map(({ path: name, ...digest }) => namedFile(directory, name, digest));
    const signature = key === undefined ? [] : [await digested(directory, SIGNATURE_FILE)];
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const manifest = namedFile(directory, MANIFEST_FILE, { size: bytes.length, sha256 });
    return { files: [...named, ...signature], manifest, key };
  } catch (thrown) {
    throw unreadable(messageOf(thrown), thrown);
  }
}

function namedFile(directory: string, name: string, digest: Pick<StoredFile, 'size' | 'sha256'>): Named {
  return { name, file: localFile(join(directory, name), digest) };
}

async function digested(directory: string, name: string): Promise<Named> {
  return namedFile(directory, name, await digestFile(join(directory, name)));
}

function unreadable(why: string, cause?: unknown): GrecError {
  return new GrecError('RECORDING_UNREADABLE', `the recording in the archive cannot be copied: ${why}`, {
    hint: '`grec verify` with its id shows what is wrong with it',
    cause,
  });
}

/** What its manifest there is, and names; one of somebody else's making names nothing. */
async function readThere({ store, path }: CopyTask): Promise<{ sha256?: string; files: string[] }> {
  const body = await store.get(join(path, MANIFEST_FILE));
  if (body === undefined) return { files: [] };
  const bytes = await readWhole(body);
  const parsed = parseManifest(bytes);
  const files = 'manifest' in parsed ? parsed.manifest.files.map(({ path: name }) => name) : [];
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { sha256, files: files.filter((name) => /^[\w-][\w.-]*$/.test(name)) };
}

async function readWhole(body: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      pieces.push(piece);
      size += piece.length;
      if (size > LARGEST_MANIFEST_BYTES) break;
    }
  } catch (thrown) {
    throw cutOff(thrown);
  }
  return Buffer.concat(pieces);
}

function cutOff(thrown: unknown): GrecError {
  if (thrown instanceof GrecError) return thrown;
  return new GrecError(
    'STORAGE_UNREACHABLE',
    `the storage broke off while a file was read back: ${messageOf(thrown)}`,
  );
}

async function areSame(task: CopyTask, files: readonly Named[]): Promise<boolean> {
  for (const one of files) if ((await difference(task, one)) !== undefined) return false;
  return true;
}

/** The public key that proves the manifest is put once, whoever comes first. */
async function placeKey(task: CopyTask, key: string | undefined): Promise<void> {
  if (key === undefined) return;
  const placing = task.keys.get(key) ?? putKey(task, key);
  task.keys.set(key, placing);
  await placing.catch((thrown: unknown) => {
    task.keys.delete(key);
    throw thrown;
  });
}

/** One that the archive has lost is not the recording's fault. */
async function putKey({ archive, store }: CopyTask, key: string): Promise<void> {
  const path = join(KEYS_FOLDER, `${key}.pem`);
  const body = await store.get(path);
  body?.destroy();
  if (body !== undefined) return;
  const digest = await digestFile(join(archive, path)).catch(() => undefined);
  if (digest !== undefined) await store.put(path, localFile(join(archive, path), digest));
}

/** Puts a file and reads it back. @param mayBeThere by an earlier attempt */
async function place(task: CopyTask, one: Named, mayBeThere: boolean): Promise<void> {
  if (mayBeThere && (await difference(task, one)) === undefined) return;
  await put(task, one);
  const found = await difference(task, one);
  if (found === undefined) return;
  await requireWhole(task, one);
  const message = `${one.name}: what was read back is not what was put: ${found}`;
  throw new GrecError('STORAGE_DIFFERS', message, { hint: 'the storage alters or loses what it is given' });
}

async function put(task: CopyTask, one: Named): Promise<void> {
  await requireSize(task, one);
  try {
    await task.store.put(join(task.path, one.name), one.file);
  } catch (thrown) {
    const isOfStorage = thrown instanceof GrecError && OF_THE_STORAGE.has(thrown.code);
    // Whatever it did to the transfer, a file that is not as it was archived is the reason.
    if (!isOfStorage) await requireWhole(task, one);
    throw thrown;
  }
}

/** Nobody waits for bytes that will not come. @throws GrecError RECORDING_UNREADABLE */
async function requireSize({ archive, path }: CopyTask, { name, file }: Named): Promise<void> {
  const { size } = await stat(join(archive, path, name)).catch((thrown: unknown) => {
    throw unreadable(messageOf(thrown), thrown);
  });
  if (size !== file.size) throw unreadable(`${name} has ${size} bytes, the manifest says ${file.size}`);
}

/** @throws GrecError RECORDING_UNREADABLE when the file is not what the manifest says */
async function requireWhole({ archive, path }: CopyTask, { name, file }: Named): Promise<void> {
  const digest = await digestFile(join(archive, path, name)).catch((thrown: unknown) => {
    throw unreadable(messageOf(thrown), thrown);
  });
  if (digest.size !== file.size || digest.sha256 !== file.sha256)
    throw unreadable(`${name} is not as it was archived`);
}

/** @returns in what the file there differs; undefined when it is the same */
async function difference({ store, path }: CopyTask, { name, file }: Named): Promise<string | undefined> {
  const body = await store.get(join(path, name));
  if (body === undefined) return 'it is not there';
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      hash.update(piece);
      size += piece.length;
      if (size > file.size) break;
    }
  } catch (thrown) {
    throw cutOff(thrown);
  }
  if (size !== file.size)
    return `${size > file.size ? 'more than ' : ''}${Math.min(size, file.size)} bytes of ${file.size}`;
  return hash.digest('hex') === file.sha256 ? undefined : 'its SHA-256 is another';
}
