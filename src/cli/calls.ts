// `grec calls`, `grec start|pause|resume|stop`, `grec events`: the calls that are up, what is asked of their recordings.
import { userInfo } from 'node:os';
import { askDaemon, followDaemon, socketOf } from '../control.ts';
import { GrecError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { clockDuration, localTime, printable } from './table.ts';

export interface CallsOptions {
  dn?: string;
}

export interface RequestOptions {
  reason?: string;
}

export type Operation = 'start' | 'pause' | 'resume' | 'stop';

/** A call as grec-sipd shows it. */
interface ShownCall {
  call: string;
  from: string;
  to: string;
  state: string;
  held: string[];
  anchored: boolean;
  recording: string | null;
  recordingState: string;
  operations: string[];
  startedAt: string;
}

/** Two re-INVITEs that parties answer late, and some attempts more when theirs cross ours. */
const REQUEST_TIMEOUT_MS = 120_000;
const DONE: Record<Operation, string> = {
  start: 'is recorded',
  pause: 'is paused',
  resume: 'is recorded again',
  stop: 'is not recorded any more',
};

/** @throws GrecError DAEMON_NOT_RUNNING */
export async function calls(context: CliContext, { dn }: CallsOptions): Promise<number> {
  const path = dn === undefined ? '/calls' : `/calls?dn=${encodeURIComponent(dn)}`;
  const answer = await askDaemon<{ calls: ShownCall[] }>('grec-sipd', socket(context), 'GET', path);
  if (context.json) context.printJson(answer.calls);
  else if (answer.calls.length === 0) context.note('no calls');
  else
    context.printTable(
      ['CALL', 'SINCE', 'LENGTH', 'PARTIES', 'STATE', 'MEDIA', 'RECORDING', 'CAN'],
      answer.calls.map(row),
      ['left', 'left', 'right'],
    );
  return EXIT.ok;
}

function row({
  call,
  from,
  to,
  state,
  held,
  anchored,
  recordingState,
  operations,
  startedAt,
}: ShownCall): string[] {
  const since = Date.parse(startedAt);
  return [
    shortId(call),
    localTime(since),
    clockDuration(Date.now() - since),
    `${from} → ${to}`,
    held.length === 0 ? state : `${state}, held by ${held.join(' and ')}`,
    anchored ? 'anchored' : 'direct',
    recordingState,
    operations.join(' ') || '-',
  ];
}

/**
 * Asks for something of the recording of a call that is up.
 * @throws GrecError CALL_UNKNOWN, CALL_AMBIGUOUS, RECORDING_STATE, MEDIA_NOT_MOVED, NG_TIMEOUT, NG_REFUSED
 */
export async function request(
  context: CliContext,
  operation: Operation,
  word: string,
  { reason }: RequestOptions,
): Promise<number> {
  if (word === '') throw new GrecError('USAGE', 'which call? Its id, or a DN that is in it');
  const body = { operation, reason, by: `operator ${userInfo().username}` };
  const path = `/calls/${encodeURIComponent(word)}/recording`;
  const answer = await askDaemon<ShownCall & { changed: boolean; recording: string | null }>(
    'grec-sipd',
    socket(context),
    'POST',
    path,
    body,
    REQUEST_TIMEOUT_MS,
  );
  if (context.json) context.printJson(answer);
  else {
    const { call, from, to, changed, recording } = answer;
    const already = changed ? '' : ' (it was so already)';
    const named = recording === null ? '' : `, recording ${shortId(recording)}`;
    context.print(printable(`call ${shortId(call)}, ${from} → ${to}, ${DONE[operation]}${named}${already}`));
  }
  return EXIT.ok;
}

/** Prints events as they happen, until Ctrl-C. @throws GrecError DAEMON_NOT_RUNNING, DAEMON_ENDED */
export async function events(context: CliContext, { dn }: CallsOptions): Promise<number> {
  const path = dn === undefined ? '/events' : `/events?dn=${encodeURIComponent(dn)}`;
  for await (const event of followDaemon('grec-sipd', socket(context), path)) {
    if (context.json) context.print(JSON.stringify(event));
    else context.print(printable(describeEvent(event as Record<string, unknown>)));
  }
  throw new GrecError('DAEMON_ENDED', 'grec-sipd has ended the stream of events', {
    hint: 'it was stopped, or this reader was too slow',
  });
}

/** Members that are in every event, or shown apart. */
const SHOWN_APART = new Set(['seq', 'at', 'daemon', 'type', 'call']);

function describeEvent(event: Record<string, unknown>): string {
  const { at, type, call } = event;
  const facts = Object.entries(event)
    .filter(([name]) => !SHOWN_APART.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const time = typeof at === 'number' ? localTime(at / 1000) : '';
  return [time, typeof call === 'string' ? shortId(call) : '-', String(type), ...facts].join('  ');
}

function socket(context: CliContext): string {
  return socketOf(context.config, 'grec-sipd');
}
