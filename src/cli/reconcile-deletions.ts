// Recordings that were deleted: what the catalog says of it, against the signed acts of the archive.
import { actFile } from '../archive/act.ts';
import { checkAct, type Deletion, deletionsIn } from '../archive/check-acts.ts';
import { readPublicKeys } from '../archive/public-keys.ts';
import type { Grounds } from '../archive/verify-recording.ts';
import type { CatalogReader } from '../catalog/catalog.ts';

/** Reads each act once. */
export class ProvedDeletions {
  readonly #archive: string;
  readonly #catalog: CatalogReader;
  readonly #acts = new Map<number, ReadonlyMap<string, Deletion>>();
  #grounds: Grounds | undefined;

  constructor(archive: string, catalog: CatalogReader) {
    this.#archive = archive;
    this.#catalog = catalog;
  }

  /** Undefined when the catalog knows of no deletion. Throws Node's system errors. */
  of(recording: string): 'proved' | { fault: string } | undefined {
    const row = this.#catalog.deleted(recording);
    if (row === undefined) return undefined;
    if (this.#actAt(row.act).has(recording)) return 'proved';
    return {
      fault: `the catalog says that it was deleted on ${row.at}, and no signed act of the archive does`,
    };
  }

  #actAt(sequence: number): ReadonlyMap<string, Deletion> {
    const known = this.#acts.get(sequence);
    if (known !== undefined) return known;
    this.#grounds ??= { archive: this.#archive, keys: readPublicKeys(this.#archive).byId };
    const path = actFile({ type: 'purge', recordings: [] }, sequence);
    const read = deletionsIn(checkAct(this.#grounds, path).acts);
    this.#acts.set(sequence, read);
    return read;
  }
}
