// `grec reindex`: the catalog made anew from the archive alone.
import { join } from 'node:path';
import { lockState } from '../daemon.ts';
import { GrecError } from '../errors.ts';
import { type ReindexReport, reindex } from '../indexing/reindex.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { progressOf } from './progress.ts';
import { printable } from './table.ts';

/**
 * Exit status 1 when anything is damaged.
 * @throws GrecError STATE_IN_USE, ARCHIVE_UNREADABLE, CATALOG_UNUSABLE, AUDIT_UNWRITABLE
 */
export async function reindexCatalog(context: CliContext): Promise<number> {
  const { paths } = context.config;
  const unlock = lock(context);
  const progress = progressOf(context, 'reindexing');
  try {
    await note(context, { what: 'reindex' });
    const spools = [paths.spool, ...paths.others.map((directory) => join(directory, 'spool'))];
    const { archive, catalog } = paths;
    const report = await reindex({ archive, catalog, spools, onProgress: progress.update });
    progress.done();
    show(context, report);
    return isWhole(report) ? EXIT.ok : EXIT.failure;
  } finally {
    progress.done();
    unlock();
  }
}

/** What grec-procd holds as long as it runs: it cannot be started meanwhile either. */
function lock({ config }: CliContext): () => void {
  try {
    return lockState('grec-procd', config);
  } catch (thrown) {
    if (!(thrown instanceof GrecError) || thrown.code !== 'STATE_IN_USE') throw thrown;
    throw new GrecError('STATE_IN_USE', `${thrown.message}, and would write into the catalog`, {
      hint: 'stop it first (`systemctl stop grec-procd`); calls go on, and their captures wait for it',
      cause: thrown,
    });
  }
}

function isWhole({ damaged, problems }: ReindexReport): boolean {
  return damaged.length + problems.length === 0;
}

function show(context: CliContext, report: ReindexReport): void {
  if (context.json) return context.printJson({ ok: isWhole(report), ...report });
  for (const { path, isListed, problems } of report.damaged) {
    const what = isListed ? 'damaged' : 'not listed';
    for (const problem of problems) context.print(printable(`${path}: ${what}: ${problem}`));
  }
  for (const problem of report.problems) context.print(printable(problem));
  const { recordings, joined, deleted, failed } = report;
  const more = [`${joined} part of others`, `${deleted} deleted`, `${failed} failed`].join(', ');
  context.note(`${recordings} recordings are listed again (${more})`);
}
