// `grec storage`: the storage classes, what waits for each and what it says; and a test of one.
import { existsSync } from 'node:fs';
import { openCatalogReader } from '../catalog/catalog.ts';
import type { StorageFigures } from '../catalog/uploads.ts';
import type { StorageConfig } from '../config.ts';
import { askDaemon, socketOf } from '../control.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { byteSize, localTime, roughDuration } from './table.ts';

/** A storage may take its time, and has four requests to answer. */
const TEST_LIMIT_MS = 300_000;

interface Listed extends Omit<StorageFigures, 'storage'> {
  name: string;
  /** Null for one that is not configured any more. */
  type: string | null;
  place: string | null;
  problem: string | null;
  problemSince: number | null;
}

/** Exit status 1 when something has failed, or a storage takes nothing. */
export async function storageList(context: CliContext): Promise<number> {
  const listed = readStorages(context);
  const isWell = listed.every(({ failed, problem }) => failed === 0 && problem === null);
  if (context.json) {
    context.printJson(listed.map(shownTimes));
    return isWell ? EXIT.ok : EXIT.failure;
  }
  if (listed.length === 0) {
    context.note('no storage is configured: recordings are in the archive alone; see man grec.toml');
    return EXIT.ok;
  }
  const now = Date.now();
  const rows = listed.map((one) => [
    one.name,
    one.type ?? 'not configured',
    `${one.copies}`,
    byteSize(one.size),
    `${one.waiting}`,
    one.oldest === null ? '-' : roughDuration(now - one.oldest),
    `${one.failed}`,
    one.lastAt === null ? '-' : localTime(one.lastAt),
    one.place ?? '',
  ]);
  const header = ['NAME', 'TYPE', 'COPIES', 'SIZE', 'WAITING', 'OLDEST', 'FAILED', 'LAST COPY', 'PLACE'];
  const [left, right] = ['left', 'right'] as const;
  context.printTable(header, rows, [left, left, right, right, right, right, right, left, left]);
  for (const { name, problem, problemSince } of listed)
    if (problem !== null)
      context.print(
        context.paint('red', `${name} takes no copies since ${localTime(problemSince ?? now)}: ${problem}`),
      );
  if (listed.some(({ failed }) => failed > 0)) context.note(`what has failed: ${context.command('failed')}`);
  return isWell ? EXIT.ok : EXIT.failure;
}

/** Puts a file there, reads it back and removes it. @throws GrecError STORAGE_UNKNOWN, and what the storage says */
export async function storageTest(context: CliContext, name: string): Promise<number> {
  const socket = socketOf(context.config, 'grec-procd');
  const path = `/storage/${encodeURIComponent(name)}/test`;
  const tested = await askDaemon<{ name: string; place: string; ms: number }>(
    'grec-procd',
    socket,
    'POST',
    path,
    undefined,
    TEST_LIMIT_MS,
  );
  if (context.json) context.printJson(tested);
  else
    context.print(
      `${tested.name}: a file was put, read back and removed in ${tested.ms} ms (${tested.place})`,
    );
  return EXIT.ok;
}

function readStorages({ config }: CliContext): Listed[] {
  const { figures, problems } = readCatalog(config.paths.catalog);
  const none = { copies: 0, size: 0, waiting: 0, failed: 0, oldest: null, lastAt: null };
  const configured = config.storage.map((one): Listed => {
    const { storage: _, ...found } = figures.find(({ storage }) => storage === one.name) ?? {
      storage: '',
      ...none,
    };
    const trouble = problems.find(({ storage }) => storage === one.name);
    const problem = { problem: trouble?.problem ?? null, problemSince: trouble?.since ?? null };
    return { name: one.name, type: one.type, place: placeOf(one), ...found, ...problem };
  });
  const others = figures
    .filter(({ storage }) => !config.storage.some(({ name }) => name === storage))
    .map(({ storage: name, ...found }): Listed => {
      return { name, type: null, place: null, ...found, problem: null, problemSince: null };
    });
  return [...configured, ...others];
}

/** Before the first start there is no catalog, and no copy. */
function readCatalog(file: string) {
  if (!existsSync(file)) return { figures: [], problems: [] };
  const catalog = openCatalogReader(file);
  try {
    return { figures: catalog.uploads.figures(), problems: catalog.uploads.problems() };
  } finally {
    catalog.close();
  }
}

function placeOf({ type, path, url, bucket, prefix }: StorageConfig): string {
  if (type === 'directory') return path ?? '';
  if (type === 'webdav') return url ?? '';
  return [`${url?.replace(/\/*$/, '')}`, bucket, prefix].flatMap((part) => part ?? []).join('/');
}

function shownTimes({ oldest, lastAt, problemSince, ...one }: Listed) {
  const shown = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  return { ...one, oldest: shown(oldest), lastAt: shown(lastAt), problemSince: shown(problemSince) };
}
