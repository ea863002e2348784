// What the catalog and the spools say of recordings and segments, as consolidation asks for it.
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { KnownRecording, Situation } from './situation.ts';
import type { Spools } from './spools.ts';

export function knownIn(
  catalog: CatalogWriter,
  spool: Spools,
): Pick<Situation, 'rowOf' | 'isDone' | 'usedBy' | 'isKept'> {
  return {
    rowOf: (recording) => rowOf(catalog, recording),
    isDone: (segment) => catalog.usedSegment(segment) !== undefined,
    usedBy: (recording) => catalog.segmentsOf(recording),
    isKept: (segment) => spool.isKept(segment),
  };
}

function rowOf(catalog: CatalogWriter, recording: string): KnownRecording | undefined {
  // One that was deleted is not made again, nor is one that has to stay as it is.
  if (catalog.deleted(recording) !== undefined) return { state: 'finished', madeOf: null, isFixed: true };
  const made = catalog.making(recording);
  if (made === undefined) return undefined;
  const isFixed = catalog.holdOn(made.id) !== undefined;
  return { ...made, state: made.state === 'failed' ? 'failed' : 'finished', isFixed };
}
