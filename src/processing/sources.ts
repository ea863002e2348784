// Where journals and captures come from: our own state directory, and those of other switches.
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Config, machineName } from '../config.ts';
import { GrecError, messageOf } from '../errors.ts';

/** Whose journals tell of calls and recordings. */
export const JOURNALS = ['grec-sipd', 'grec-mediad'] as const;

export interface Source {
  /** 0 is our own. */
  number: number;
  /** What a human calls it. */
  name: string;
  journal: string;
  spool: string;
  /** Where captures of finished recordings are kept for a while. */
  finished: string;
}

export function sourcesOf({ paths }: Config): Source[] {
  const { state, journal, spool, others } = paths;
  const own = { number: 0, name: machineName(), journal, spool, finished: join(state, 'finished') };
  return [own, ...others.map((directory, index) => otherSource(directory, index + 1))];
}

function otherSource(directory: string, number: number): Source {
  return {
    number,
    name: basename(directory),
    journal: join(directory, 'journal'),
    spool: join(directory, 'spool'),
    finished: join(directory, 'finished'),
  };
}

/** The name of a daemon's journal in the catalog. */
export function journalKey(daemon: string, { number, journal }: Pick<Source, 'number' | 'journal'>): string {
  return number === 0 ? daemon : `${daemon} of ${journal}`;
}

/** What changes when there is something new. */
export function watchedFolders({ spool, journal }: Source): string[] {
  return [spool, ...JOURNALS.map((name) => join(journal, name))];
}

/** Our own; what belongs to other switches is theirs to make. @throws GrecError STATE_UNUSABLE */
export function prepareFolders(config: Config): void {
  const [own] = sourcesOf(config);
  try {
    for (const folder of own === undefined ? [] : watchedFolders(own))
      mkdirSync(folder, { recursive: true, mode: 0o750 });
  } catch (thrown) {
    const message = `cannot use the state directory ${config.paths.state}: ${messageOf(thrown)}`;
    throw new GrecError('STATE_UNUSABLE', message, {
      hint: 'give it to the user that runs grec-procd, or set [state] directory',
      cause: thrown,
    });
  }
}
