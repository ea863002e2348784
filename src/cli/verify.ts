// `grec verify`: whether recordings are what was archived, and whether one is missing; from the archive alone.
import { resolve } from 'node:path';
import type { Finding } from '../archive/finding.ts';
import { type VerifyOptions, type VerifyReport, verifyArchive } from '../archive/verify.ts';
import { GrecError } from '../errors.ts';
import { type KeyOptions, privateKeys } from './clear-audio.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { progressOf } from './progress.ts';
import { printable } from './table.ts';
import { readTime } from './time.ts';

export interface VerifyCommandOptions extends KeyOptions {
  all?: boolean;
  since?: string;
  archive?: string;
  key?: string[];
  expect?: string;
  quiet?: boolean;
}

/**
 * Exit status 1 when anything is wrong.
 * @throws GrecError USAGE, ARCHIVE_UNREADABLE, RECORDING_UNKNOWN, RECORDING_AMBIGUOUS
 */
export async function verify(
  context: CliContext,
  ids: string[],
  options: VerifyCommandOptions,
): Promise<number> {
  const { all = false, since, archive, key, expect } = options;
  const what = [ids.length > 0, all, since !== undefined].filter(Boolean).length;
  if (what !== 1)
    throw new GrecError('USAGE', 'say what to verify: ids, --all or --since, and one of these alone');
  if (expect !== undefined && !all) throw new GrecError('USAGE', '--expect needs --all');
  const report = await look(context, {
    archive: archive === undefined ? context.config.paths.archive : resolve(archive),
    ...(ids.length > 0 && { ids }),
    ...(since !== undefined && { since: readTime(since, Date.now()) }),
    ...(key && { trusted: key.map(readKeyId) }),
    ...(expect !== undefined && { expected: readLink(expect) }),
    ...(options.privateKey && { privateKeys: await privateKeys(context, options) }),
  });
  show(context, report, options.quiet === true);
  return report.findings.length === 0 ? EXIT.ok : EXIT.failure;
}

async function look(context: CliContext, options: VerifyOptions): Promise<VerifyReport> {
  const progress = progressOf(context, 'verifying');
  try {
    return await verifyArchive({ ...options, onProgress: progress.update });
  } finally {
    progress.done();
  }
}

function readKeyId(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new GrecError('USAGE', `--key ${JSON.stringify(text)} is no id of a key`, {
    hint: 'it has 64 hex digits; `grec key` shows the keys',
  });
}

function readLink(text: string): { sequence: number; sha256: string } {
  const [, number = '', sha256 = ''] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (number !== '' && Number(number) > 0) return { sequence: Number(number), sha256: sha256.toLowerCase() };
  throw new GrecError('USAGE', `--expect ${JSON.stringify(text)} is no link`, {
    hint: 'give what an earlier run printed as the end of the chain: NUMBER:SHA256',
  });
}

function show(context: CliContext, report: VerifyReport, isQuiet: boolean): void {
  const { findings, asked, head } = report;
  if (context.json) return context.printJson({ ok: findings.length === 0, ...report, head: head ?? null });
  context.print(...findings.map((finding) => printable(describe(finding))));
  if (isQuiet) return;
  const wrong = new Set(findings.map(({ path }) => path));
  for (const one of asked) if (!wrong.has(one.path)) context.print(describeAsked(one));
  context.print(...summary(context, report));
}

function describeAsked(one: VerifyReport['asked'][number]): string {
  if (one.state === 'deleted') return `${one.id}: deleted on ${one.at} (${one.rule}), which is signed`;
  return `${one.id}: intact${one.state === 'unsigned' ? ', from before manifests were signed' : ''}`;
}

/** `2026/01/31/ID/audio.wav: it has been changed: in bytes 0 to 1048575` */
function describe({ path, file, message }: Finding): string {
  const place = [path, file].filter(Boolean).join('/');
  return place === '' ? message : `${place}: ${message}`;
}

function summary(
  context: CliContext,
  { findings, recordings, unsigned, head, asked, deleted }: VerifyReport,
): string[] {
  const verdict = findings.length === 0 ? 'all intact' : `${findings.length} found wrong`;
  const gone = deleted === 0 || asked.length > 0 ? '' : `, ${deleted} deleted`;
  const old = unsigned === 0 ? gone : `, ${unsigned} of them from before manifests were signed${gone}`;
  const lines = [
    context.paint(
      findings.length === 0 ? 'green' : 'red',
      `${recordings} ${recordings === 1 ? 'recording' : 'recordings'}${old}: ${verdict}`,
    ),
  ];
  if (head !== undefined && asked.length === 0)
    lines.push(`end of the chain: ${head.sequence}:${head.sha256}`);
  return lines;
}
