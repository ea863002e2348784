// [index]: what turns speech into words, and what it may take.
import { resolve } from 'node:path';
import * as v from 'valibot';
import { type Finding, isTable, oneOf, section, text, within } from './toml-schema.ts';

const COMMAND = 'expected a list: a program, and its arguments; {wav} stands for the file';
const PHRASES = 'expected a list of words and phrases, each of letters and spaces';

export const indexSection = section({
  transcriber: v.optional(oneOf(['auto', 'none', 'pocketsphinx', 'command']), 'auto'),
  command: v.optional(v.pipe(v.array(text('a word'), COMMAND), v.minLength(1, COMMAND))),
  model: v.optional(text('the directory of a model')),
  phrases: v.optional(
    v.array(v.pipe(v.string(PHRASES), v.regex(/^(?=.*\p{L})[\p{L}' ]{2,80}$/u, PHRASES)), PHRASES),
    [],
  ),
  topics: v.optional(text('the path of a file of topics')),
  memory: v.optional(within(100, 1_000_000, 'a whole number of megabytes'), 4000),
  patience: v.optional(within(1, 1000, 'a whole number'), 20),
});

/** The directory of the model, relative to the directory `base`; a command is told what it is called. */
export function placeModel(
  base: string,
  { transcriber, model }: { transcriber: string; model?: string | undefined },
): string | undefined {
  return model === undefined || transcriber === 'command' ? model : resolve(base, model);
}

/** A command that nobody runs, and one that is missing. */
export function findIndexMistakes(raw: unknown): Finding[] {
  if (!isTable(raw) || !isTable(raw['index'])) return [];
  const { transcriber, command, phrases } = raw['index'];
  const findings: Finding[] = [];
  if (transcriber === 'command' && command === undefined)
    findings.push({ path: ['index', 'transcriber'], message: 'needs command beside it: what transcribes' });
  if (command !== undefined && transcriber !== 'command')
    findings.push({ path: ['index', 'command'], message: 'needs transcriber = "command" beside it' });
  if (phrases !== undefined && (transcriber === 'command' || transcriber === 'none'))
    findings.push({ path: ['index', 'phrases'], message: 'PocketSphinx alone looks for phrases' });
  return findings;
}
