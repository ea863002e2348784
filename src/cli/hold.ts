// `grec hold`, `grec unhold`, `grec label`: what is said of recordings after they are finished; grec-procd signs it and keeps it.
import type { RecordingState } from '../archive/acts-state.ts';
import { askDaemon, socketOf } from '../control.ts';
import { GrecError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';

export interface HoldOptions {
  reason: string;
}

export interface LabelOptions {
  remove?: string[];
  comment?: string;
  data?: string[];
  removeData?: string[];
}

interface Answer extends RecordingState {
  id: string;
  /** The number of the act in the chain of the archive. */
  act: number;
}

/** @throws GrecError RECORDING_UNKNOWN, RECORDING_AMBIGUOUS, HOLD_EXISTS, DAEMON_NOT_RUNNING */
export async function hold(context: CliContext, ids: string[], { reason }: HoldOptions): Promise<number> {
  const held = await askForAll(context, ids, { type: 'hold', reason });
  return tell(context, held, () => 'under hold: it is not deleted, whatever its class says');
}

/** @throws GrecError RECORDING_UNKNOWN, RECORDING_AMBIGUOUS, RECORDING_STATE, DAEMON_NOT_RUNNING */
export async function unhold(context: CliContext, ids: string[], { reason }: HoldOptions): Promise<number> {
  const released = await askForAll(context, ids, { type: 'unhold', reason });
  return tell(context, released, () => 'no longer under hold');
}

/** @throws GrecError USAGE, RECORDING_UNKNOWN, RECORDING_AMBIGUOUS, DAEMON_NOT_RUNNING */
export async function label(
  context: CliContext,
  id: string,
  labels: string[],
  { remove = [], comment, data = [], removeData = [] }: LabelOptions,
): Promise<number> {
  const changes = [...labels, ...remove, ...data, ...removeData];
  if (changes.length === 0 && comment === undefined)
    throw new GrecError('USAGE', 'say what to note: labels, --remove, --comment, --data or --remove-data');
  const noted = await askForAll(context, [id], {
    type: 'label',
    ...(labels.length > 0 && { add: labels }),
    ...(remove.length > 0 && { remove }),
    ...(comment !== undefined && { comment }),
    ...(data.length + removeData.length > 0 && { data: readData(data, removeData) }),
  });
  return tell(context, noted, ({ labels }) => `labels: ${labels.join(', ') || 'none'}`);
}

/** `key=value`, and keys whose values are to go. @throws GrecError USAGE */
function readData(pairs: readonly string[], removed: readonly string[]): Record<string, string | null> {
  const data: [string, string | null][] = removed.map((key) => [key, null]);
  for (const pair of pairs) {
    const [key = '', ...value] = pair.split('=');
    if (key === '' || value.length === 0)
      throw new GrecError('USAGE', `--data ${JSON.stringify(pair)} is not KEY=VALUE`);
    data.push([key, value.join('=')]);
  }
  return Object.fromEntries(data);
}

/** One after the other; those before one that is refused are done. */
async function askForAll(context: CliContext, ids: readonly string[], body: object): Promise<Answer[]> {
  const answers: Answer[] = [];
  const socket = socketOf(context.config, 'grec-procd');
  for (const id of ids) {
    const path = `/recordings/${encodeURIComponent(id)}/acts`;
    const answer = await askDaemon<Answer>('grec-procd', socket, 'POST', path, body);
    answers.push(answer);
  }
  return answers;
}

function tell(context: CliContext, answers: readonly Answer[], words: (answer: Answer) => string): number {
  if (context.json) context.printJson(answers);
  else for (const answer of answers) context.print(`${shortId(answer.id)}  ${words(answer)}`);
  return EXIT.ok;
}
