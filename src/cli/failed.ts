// `grec failed` and `grec retry`: what could not be done, and trying it again.
import { askDaemon, socketOf } from '../control.ts';
import { GrecError, messageOf } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { progressOf } from './progress.ts';
import { localTime, printable } from './table.ts';

/** What grec-procd tells of one thing that failed. */
interface Failure {
  kind: string;
  id: string;
  /** ISO 8601. */
  at: string;
  reason: string;
  isRetryable: boolean;
  advice?: string;
  details: {
    state?: string;
    caller?: string;
    callee?: string;
    /** Ids of its calls. */
    calls?: string[];
    /** Directories. */
    captures?: string[];
    [more: string]: unknown;
  };
}

interface Retried {
  kind: string;
  id: string;
  isDone: boolean;
  state: string;
  reason: string | null;
}

export interface RetryOptions {
  all?: boolean;
}

/** A recording of ten hours takes its time. */
const PATIENCE_MS = 600_000;

/** @throws GrecError DAEMON_NOT_RUNNING, CATALOG_UNUSABLE */
export async function failed(context: CliContext): Promise<number> {
  const failures = await listFailures(context);
  if (context.json) context.printJson(failures);
  else if (failures.length === 0) context.note('nothing has failed');
  else for (const failure of failures) context.print(...describe(context, failure));
  return EXIT.ok;
}

function listFailures({ config }: CliContext): Promise<Failure[]> {
  return askDaemon<Failure[]>('grec-procd', socketOf(config, 'grec-procd'), 'GET', '/failures');
}

function describe(
  context: CliContext,
  { kind, id, at, reason, isRetryable, advice, details }: Failure,
): string[] {
  const { state, caller, callee, calls = [], captures = [] } = details;
  const what = state === 'partial' ? `${kind} (partial)` : kind;
  const parties = caller === undefined ? '' : `  ${caller} to ${callee}`;
  const help = isRetryable
    ? `may help: ${context.command(`retry ${shortId(id)}`)}`
    : `cannot help: ${advice}`;
  const more = [
    reason,
    ...calls.map((call) => `call      ${call}`),
    ...captures.map((directory) => `captures  ${directory}`),
    `retry     ${help}`,
  ];
  const head = `${context.paint('bold', shortId(id))}  ${what}  ${localTime(Date.parse(at))}${printable(parties)}`;
  return [head, ...more.map((line) => `          ${printable(line)}`)];
}

/**
 * Exit status 1 when something has failed again.
 * @throws GrecError USAGE, RECORDING_UNKNOWN, RECORDING_AMBIGUOUS, DAEMON_NOT_RUNNING
 */
export async function retry(
  context: CliContext,
  ids: string[],
  { all = false }: RetryOptions,
): Promise<number> {
  if (all === ids.length > 0) throw new GrecError('USAGE', 'say what to try again: ids, or --all');
  const failures = await listFailures(context);
  const chosen = all
    ? failures.filter(({ isRetryable }) => isRetryable)
    : [...new Set(ids.map((id) => find(failures, id)))];
  const outcomes = await retryEach(context, chosen);
  if (context.json) context.printJson(outcomes);
  else if (outcomes.length === 0) context.note('there is nothing that a retry can help');
  else for (const outcome of outcomes) context.print(wordsOn(context, outcome));
  return outcomes.every(({ isDone }) => isDone) ? EXIT.ok : EXIT.failure;
}

function find(failures: readonly Failure[], asked: string): Failure {
  const part = asked.toLowerCase().replaceAll('-', '');
  const isPart = /^[0-9a-f]{4,32}$/.test(part);
  // What has failed of a recording and its copies has its id, too.
  const exact = failures.filter(({ id }) => id === asked);
  const parts = failures.filter(({ id }) => isPart && id.replaceAll('-', '').includes(part));
  const found = exact.length > 0 ? exact : parts;
  const [first, ...others] = found;
  if (first === undefined)
    throw new GrecError('RECORDING_UNKNOWN', `nothing that has failed is ${JSON.stringify(asked)}`, {
      hint: '`grec failed` lists what has; give an id, or any part of it with at least 4 hex digits',
    });
  if (others.length > 0)
    throw new GrecError('RECORDING_AMBIGUOUS', `${JSON.stringify(asked)} is part of ${found.length} ids`, {
      hint: `give more digits: ${found.map(({ id }) => id).join(', ')}`,
    });
  return first;
}

/** One after the other: one that cannot be tried does not keep the others. */
async function retryEach(context: CliContext, chosen: readonly Failure[]): Promise<Retried[]> {
  const progress = progressOf(context, 'trying again');
  const outcomes: Retried[] = [];
  try {
    for (const failure of chosen) {
      progress.update(outcomes.length / chosen.length);
      outcomes.push(await retryOne(context, failure));
    }
    return outcomes;
  } finally {
    progress.done();
  }
}

async function retryOne({ config }: CliContext, { kind, id }: Failure): Promise<Retried> {
  const path = `/failures/${encodeURIComponent(kind)}/${encodeURIComponent(id)}`;
  try {
    return await askDaemon<Retried>(
      'grec-procd',
      socketOf(config, 'grec-procd'),
      'POST',
      path,
      undefined,
      PATIENCE_MS,
    );
  } catch (thrown) {
    if (thrown instanceof GrecError && /^(DAEMON_NOT|CONTROL)/.test(thrown.code)) throw thrown;
    return { kind, id, isDone: false, state: 'refused', reason: messageOf(thrown) };
  }
}

function wordsOn(context: CliContext, { id, isDone, state, reason }: Retried): string {
  const why = reason === null ? '' : `: ${reason}`;
  if (!isDone) return `${shortId(id)}  ${context.paint('red', 'failed again')}${printable(why)}`;
  return `${shortId(id)}  ${context.paint('green', state)}${printable(why)}`;
}
