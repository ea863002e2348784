// Where journals and captures come from: our own state directory, and those of other switches.
import { basename, join } from 'node:path';
import { type Config, machineName } from '../config.ts';

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
