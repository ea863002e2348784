// `grec index`: how far the index is behind, what could not be indexed, and making it anew.
import { openCatalogReader } from '../catalog/catalog.ts';
import { askDaemon, socketOf } from '../control.ts';
import { type IndexReader, openIndexReader } from '../index/index.ts';
import type { Backlog } from '../index/rows.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { localTime, renderPairs, roughDuration } from './table.ts';

export interface IndexProblemsOptions {
  limit: number;
}

export interface IndexRebuildOptions {
  problems?: boolean;
  transcripts?: boolean;
  topics?: boolean;
}

/** How far the index is behind the catalog. */
export interface Behind extends Backlog {
  /** In the catalog, and not in the index yet. */
  unseen: number;
  /** Since the one that waits longest was finished, in seconds. */
  behind: number;
}

/**
 * As grec-procd says, which knows; by counting, when it does not run.
 * @throws GrecError INDEX_UNUSABLE, CATALOG_UNUSABLE
 */
export async function measureBehind(context: CliContext, index: IndexReader): Promise<Behind> {
  const told = await askDaemon<Partial<Behind>>(
    'grec-procd',
    socketOf(context.config, 'grec-procd'),
    'GET',
    '/index',
  ).catch(() => undefined);
  const { waiting, behind, problems, recordings, oldest = null } = told ?? {};
  if (waiting === undefined || behind === undefined || problems === undefined || recordings === undefined)
    return countBehind(context, index, Date.now());
  return { waiting, behind, problems, recordings, oldest, unseen: 0 };
}

function countBehind(context: CliContext, index: IndexReader, now: number): Behind {
  const backlog = index.backlog();
  const catalog = openCatalogReader(context.config.paths.catalog);
  try {
    const recordings = catalog.count('complete') + catalog.count('partial');
    const behind = backlog.oldest === null ? 0 : Math.max(0, Math.round((now - backlog.oldest) / 1000));
    return { ...backlog, unseen: Math.max(0, recordings - backlog.recordings), behind };
  } finally {
    catalog.close();
  }
}

/** One line; undefined when it lacks nothing. */
export function describeBehind({ waiting, unseen, behind, problems }: Behind): string | undefined {
  const missing = waiting + unseen;
  const words = [
    ...(missing > 0 ? [`the index lacks ${missing} ${missing === 1 ? 'recording' : 'recordings'}`] : []),
    ...(behind > 0 ? [`and is ${roughDuration(behind * 1000)} behind`] : []),
  ].join(' ');
  const failed = problems > 0 ? `${problems} could not be indexed (\`grec index problems\`)` : '';
  return [words, failed].filter((one) => one !== '').join('; ') || undefined;
}

async function withIndex<T>(context: CliContext, work: (index: IndexReader) => T | Promise<T>): Promise<T> {
  const index = openIndexReader(context.config.paths.index);
  try {
    return await work(index);
  } finally {
    index.close();
  }
}

/** @throws GrecError INDEX_UNUSABLE, CATALOG_UNUSABLE */
export async function indexStatus(context: CliContext): Promise<number> {
  const behind = await withIndex(context, (index) => measureBehind(context, index));
  if (context.json) context.printJson(behind);
  else
    context.print(
      ...renderPairs([
        ['recordings', `${behind.recordings}`],
        ['waiting', `${behind.waiting + behind.unseen}`],
        ['behind', behind.behind === 0 ? '-' : roughDuration(behind.behind * 1000)],
        ['not indexed', `${behind.problems}`],
      ]),
    );
  return EXIT.ok;
}

/** @throws GrecError INDEX_UNUSABLE, AUDIT_UNWRITABLE */
export async function indexProblems(context: CliContext, { limit }: IndexProblemsOptions): Promise<number> {
  const problems = await withIndex(context, (index) => index.problems(limit));
  await note(context, { what: 'list', details: { index: 'problems', found: problems.length } });
  if (context.json) {
    const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
    context.printJson(
      problems.map((row) => ({ ...row, startTime: time(row.startTime), dueAt: time(row.dueAt) })),
    );
  } else if (problems.length === 0) context.note('there are none');
  else
    context.printTable(
      ['ID', 'START', 'TRIED', 'AGAIN', 'WHY'],
      problems.map(({ id, startTime, attempts, dueAt, problem }) => [
        shortId(id),
        localTime(startTime),
        `${attempts}`,
        dueAt === null ? '-' : localTime(dueAt),
        problem,
      ]),
    );
  return EXIT.ok;
}

/** @throws GrecError DAEMON_NOT_RUNNING, INDEX_UNUSABLE */
export async function indexRebuild(
  context: CliContext,
  { problems, transcripts, topics }: IndexRebuildOptions,
): Promise<number> {
  const socket = socketOf(context.config, 'grec-procd');
  const which = problems ? 'problems' : topics ? 'topics' : transcripts ? 'transcripts' : 'all';
  const { count } = await askDaemon<{ count: number }>('grec-procd', socket, 'POST', '/index/redo', {
    which,
  });
  if (context.json) context.printJson({ count });
  else
    context.note(`${count} ${count === 1 ? 'recording waits' : 'recordings wait'} to be looked into again`);
  return EXIT.ok;
}
