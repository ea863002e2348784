// What the acts on a recording come to. Pure.
import type { Act, By } from './act.ts';

export interface RecordingState {
  /** Under hold, since when and why; undefined when it is not. */
  hold: { at: string; by: By; reason: string } | undefined;
  /** In the order of the alphabet. */
  labels: string[];
  comments: { at: string; by: By; text: string }[];
  data: Record<string, string>;
}

/** @param acts on one recording, in their order */
export function stateAfter(acts: readonly Act[]): RecordingState {
  let hold: RecordingState['hold'];
  const labels = new Set<string>();
  const comments: RecordingState['comments'] = [];
  const data = new Map<string, string>();
  for (const { act, by, createdAt: at } of acts) {
    if (act.type === 'hold') hold = { at, by, reason: act.reason };
    if (act.type === 'unhold') hold = undefined;
    if (act.type !== 'label') continue;
    for (const label of act.remove ?? []) labels.delete(label);
    for (const label of act.add ?? []) labels.add(label);
    if (act.comment !== undefined) comments.push({ at, by, text: act.comment });
    for (const [key, value] of Object.entries(act.data ?? {})) {
      if (value === null) data.delete(key);
      else data.set(key, value);
    }
  }
  return { hold, labels: [...labels].sort(), comments, data: Object.fromEntries(data) };
}
