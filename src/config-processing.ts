// [processing]: whose journals and captures grec-procd takes, and how long it waits for what comes late.
import { resolve } from 'node:path';
import * as v from 'valibot';
import { section, text, within } from './toml-schema.ts';

const DIRECTORIES = 'expected a list of state directories';

export const processingSection = section({
  also: v.optional(v.array(text('a state directory'), DIRECTORIES), []),
  wait: v.optional(within(0, 600, 'a whole number of seconds'), 5),
  late: v.optional(within(0, 86_400, 'a whole number of seconds'), 600),
});

/** The state directories of other switches, relative to the directory `base`, each once. */
export function placeOthers(base: string, own: string, also: readonly string[]): string[] {
  return [...new Set(also.map((directory) => resolve(base, directory)))].filter((one) => one !== own);
}
