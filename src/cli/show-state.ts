// What was said of a recording after it was finished, as `grec show` prints it: hold, labels, comments, attached data.
import { type RecordingState, stateAfter } from '../archive/acts-state.ts';
import { checkActs } from '../archive/check-acts.ts';
import { readPublicKeys } from '../archive/public-keys.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { messageOf } from '../errors.ts';
import type { CliContext } from './context.ts';
import { localTime, printable, renderPairs } from './table.ts';

export interface FoundState extends RecordingState {
  /** What is wrong with the acts that say so; empty when nothing is. */
  problems: string[];
}

/** Does not throw for what it finds. */
export function readState(context: CliContext, { id }: RecordingRow): FoundState {
  const { archive } = context.config.paths;
  try {
    const { acts, findings } = checkActs({ archive, keys: readPublicKeys(archive).byId }, id);
    return { ...stateAfter(acts), problems: findings.map(({ path, message }) => `${path}: ${message}`) };
  } catch (thrown) {
    return { ...stateAfter([]), problems: [messageOf(thrown)] };
  }
}

/** With an empty line before it; nothing when nothing was said. */
export function describeState({ hold, labels, comments, data, problems }: FoundState): string[] {
  const said: [string, string][] = [
    ...(hold === undefined ? [] : [line('under hold', `${hold.reason} (${hold.by.user}, ${time(hold.at)})`)]),
    ...(labels.length === 0 ? [] : [line('labels', labels.join(', '))]),
    ...Object.entries(data).map(([key, value]) => line('data', `${key}=${value}`)),
    ...comments.map(({ text, by, at }) => line('comment', `${text} (${by.user}, ${time(at)})`)),
    ...problems.map((problem) => line('WRONG', problem)),
  ];
  return said.length === 0 ? [] : ['', ...renderPairs(said)];
}

function line(name: string, text: string): [string, string] {
  return [name, printable(text)];
}

function time(at: string): string {
  return localTime(Date.parse(at));
}
