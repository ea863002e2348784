// `grec audit`: who listed, heard, exported, held, labelled and deleted what, and who changed the configuration; and its proof.
import { readAudit, verifyAudit } from '../audit/read.ts';
import type { AuditRecord } from '../audit/record.ts';
import type { Audited } from '../audit/words.ts';
import { GrecError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { localTime } from './table.ts';
import { readTime } from './time.ts';

export interface AuditOptions {
  since?: string;
  until?: string;
  what?: Audited;
  user?: string;
  recording?: string;
  limit: number;
  verify?: boolean;
  expect?: string;
}

/** @throws GrecError USAGE, AUDIT_UNREADABLE */
export async function audit(context: CliContext, options: AuditOptions): Promise<number> {
  if (options.expect !== undefined && options.verify !== true)
    throw new GrecError('USAGE', '--expect needs --verify');
  return options.verify === true ? verify(context, options) : show(context, options);
}

async function verify(context: CliContext, { expect }: AuditOptions): Promise<number> {
  const expected = expect === undefined ? undefined : readEntry(expect);
  const { findings, entries, torn, head } = await verifyAudit(context.config.paths.audit, expected);
  const ok = findings.length === 0;
  if (context.json) context.printJson({ ok, findings, entries, torn, head: head ?? null });
  else {
    context.print(
      ...findings.map(({ file, line, message }) => (file === '' ? message : `${file}:${line}: ${message}`)),
    );
    const verdict = ok ? 'none was changed, and none is missing' : `${findings.length} found wrong`;
    context.print(context.paint(ok ? 'green' : 'red', `${entries} entries: ${verdict}`));
    if (head !== undefined) context.print(`end of the log: ${head.seq}:${head.hash}`);
  }
  return ok ? EXIT.ok : EXIT.failure;
}

function readEntry(text: string): { seq: number; hash: string } {
  const [, number = '', hash = ''] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (number !== '') return { seq: Number(number), hash: hash.toLowerCase() };
  throw new GrecError('USAGE', `--expect ${JSON.stringify(text)} is no entry`, {
    hint: 'give what an earlier run printed as the end of the log: NUMBER:SHA256',
  });
}

async function show(context: CliContext, options: AuditOptions): Promise<number> {
  const isWanted = filterOf(options);
  const newest: AuditRecord[] = [];
  let count = 0;
  for await (const record of readAudit(context.config.paths.audit)) {
    if (!isWanted(record)) continue;
    count += 1;
    newest.push(record);
    if (newest.length > options.limit) newest.shift();
  }
  if (context.json) context.printJson(newest);
  else if (count === 0) context.note('no entries found');
  else context.printTable(['TIME', 'USER', 'FROM', 'WHAT', 'RECORDING', 'DETAILS'], newest.map(lineOf));
  if (count > newest.length && !context.json)
    context.note(`the newest ${newest.length} of ${count} are shown; --limit shows more`);
  return EXIT.ok;
}

function filterOf({ since, until, what, user, recording }: AuditOptions): (record: AuditRecord) => boolean {
  const now = Date.now();
  const [from, to] = [since, until].map((text) => (text === undefined ? undefined : readTime(text, now)));
  const part = recording?.toLowerCase().replaceAll('-', '');
  return (record) => {
    const at = Date.parse(record.at);
    if ((from !== undefined && at < from) || (to !== undefined && at >= to)) return false;
    if (what !== undefined && record.what !== what) return false;
    if (user !== undefined && record.user !== user) return false;
    return part === undefined || (record.recording ?? '').replaceAll('-', '').includes(part);
  };
}

function lineOf({ at, user, from, what, recording, details = {} }: AuditRecord): string[] {
  const told = Object.entries(details).map(([key, value]) => `${key}=${value}`);
  const id = recording === undefined ? '-' : shortId(recording);
  return [localTime(Date.parse(at)), user, from, what, id, told.join(' ')];
}
