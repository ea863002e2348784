// Which recordings have become part of which: as their own files tell, and those of the ones that they are part of.
import type { Metadata } from '../archive/metadata.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';

export class Joins {
  /** Each recording that is part of another one, with that. */
  readonly #into = new Map<string, string>();

  add(id: string, { joinedInto, joined = [] }: Metadata): void {
    if (joinedInto !== undefined) this.#into.set(id, joinedInto);
    // What it says of itself tells more: the other one may have been joined with a third one since.
    else for (const part of joined) if (!this.#into.has(part)) this.#into.set(part, id);
  }

  /** @returns how many there are */
  apply(catalog: CatalogWriter, problems: string[]): number {
    catalog.transaction(() => {
      for (const [id, into] of this.#into) {
        const whole = this.#wholeOf(into);
        const isThere = whole !== undefined && (catalog.get(whole) ?? catalog.deleted(whole)) !== undefined;
        if (!isThere)
          problems.push(`recording ${id} is part of ${into}, which cannot be read or is not there`);
        if (whole !== undefined && whole !== id) catalog.join(id, whole);
      }
    });
    return this.#into.size;
  }

  /** Undefined when it leads round in a circle. */
  #wholeOf(id: string): string | undefined {
    let whole = id;
    for (let steps = 0; steps <= this.#into.size; steps += 1) {
      const next = this.#into.get(whole);
      if (next === undefined) return whole;
      whole = next;
    }
    return undefined;
  }
}
