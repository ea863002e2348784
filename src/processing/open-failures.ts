// What can fail and be tried again, by whoever asks for it and by itself.
import { type Note, ofDaemon } from '../audit/by-daemon.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { Config } from '../config.ts';
import { messageOf } from '../errors.ts';
import { takeInFailures } from '../indexing/failure-notes.ts';
import type { Logger } from '../log.ts';
import { DecoderWatch } from './decoder-watch.ts';
import { FailedRecordings } from './failed-recordings.ts';
import { type FailureSource, Failures } from './failures.ts';
import type { Finisher } from './finisher.ts';
import type { Situation } from './situation.ts';
import type { Source } from './sources.ts';
import type { Spools } from './spools.ts';

export interface FailuresSetting {
  config: Config;
  catalog: CatalogWriter;
  log: Logger;
  note: Note;
  spool: Spools;
  sources: readonly Source[];
  finisher: Finisher;
  /** Of other kinds than recordings. */
  others: readonly FailureSource[];
  situation(): Omit<Situation, 'calls' | 'segments'>;
  /** How often it is looked for an ffmpeg that is missing. */
  lookMs: number | undefined;
}

export function openFailures(setting: FailuresSetting): { failures: Failures; decoders: DecoderWatch } {
  const { config, catalog, log, note, lookMs, others } = setting;
  const recordings = new FailedRecordings({ ...setting, archive: config.paths.archive });
  const failures = new Failures({ sources: [recordings, ...others], note });
  const decoders = new DecoderWatch({
    ...{ catalog, log, lookMs, ffmpeg: config.export.ffmpeg },
    retry: (id) => failures.retry(recordings.kind, id, ofDaemon('grec-procd')),
    canRetry: (row) => recordings.canRetry(row),
  });
  return { failures, decoders };
}

/** Of a catalog that was lost, what neither the journals nor the recordings tell. */
export function takeInSetAside({
  archive,
  sources,
  catalog,
  log,
}: { archive: string } & Pick<FailuresSetting, 'sources' | 'catalog' | 'log'>): void {
  for (const { spool } of sources)
    try {
      const recordings = takeInFailures({ spool, archive }, catalog);
      if (recordings.length > 0) log.warn({ recordings }, 'the catalog had lost recordings that failed');
    } catch (thrown) {
      log.warn(`what is set aside in ${spool} is not known: ${messageOf(thrown)}`);
    }
}
