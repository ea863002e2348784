// Which engine turns speech into words: as configured, or the one that is there, or none.
import { commandTranscriber } from './command-transcriber.ts';
import { hasPocketSphinx, pocketSphinx } from './pocketsphinx.ts';
import type { Limits } from './run-limited.ts';
import { lengthOf } from './spans.ts';
import type { SpeechFile, Transcriber } from './transcriber.ts';

export interface TranscriberSettings {
  transcriber: 'auto' | 'none' | 'pocketsphinx' | 'command';
  command?: readonly string[] | undefined;
  model?: string | undefined;
  phrases: readonly string[];
  /** Of an engine, in megabytes. */
  memory: number;
  /** How many times as long as the speech it may take, besides a minute. */
  patience: number;
}

const LEAST_MS = 60_000;

/** Undefined when there is none. @param signal ends what is under way */
export function chooseTranscriber(
  settings: TranscriberSettings,
  signal?: AbortSignal,
): Transcriber | undefined {
  const { transcriber, command = [], model } = settings;
  const limitsOf = ({ pieces }: SpeechFile): Limits => {
    return { timeMs: LEAST_MS + lengthOf(pieces) * settings.patience, memoryMb: settings.memory, signal };
  };
  if (transcriber === 'command') return commandTranscriber({ command, model, limitsOf });
  if (transcriber === 'none' || (transcriber === 'auto' && !hasPocketSphinx(model))) return undefined;
  return pocketSphinx({ model, limitsOf });
}
