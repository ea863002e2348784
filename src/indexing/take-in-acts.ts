// The acts of the archive, taken into the catalog in their order, so that it knows of holds, labels and deletions.
import type { Act } from '../archive/act.ts';
import { checkAct, checkDeletions, deletionsIn } from '../archive/check-acts.ts';
import { isAct, type Link, linksAfter } from '../archive/links.ts';
import { readPublicKeys } from '../archive/public-keys.ts';
import type { Grounds } from '../archive/verify-recording.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';

/**
 * Takes in what has come since the last time. Throws Node's system errors, GrecError CATALOG_UNUSABLE.
 * @returns what keeps it from going on, in words; undefined when the catalog knows all
 */
export function takeInActs(archive: string, catalog: CatalogWriter): string | undefined {
  const reading = new Reading({ archive, keys: readPublicKeys(archive).byId }, catalog);
  let through = catalog.acts.through();
  for (const link of linksAfter(archive, through)) {
    if (link.sequence !== through + 1) return `link ${through + 1} is not noted`;
    const problem = isAct(link) ? reading.take(link) : undefined;
    if (problem !== undefined) return problem;
    through = link.sequence;
  }
  catalog.acts.setThrough(through);
  return undefined;
}

class Reading {
  readonly #grounds: Grounds;
  readonly #catalog: CatalogWriter;
  #deleted: ReadonlyMap<string, unknown> | undefined;

  constructor(grounds: Grounds, catalog: CatalogWriter) {
    this.#grounds = grounds;
    this.#catalog = catalog;
  }

  take(link: Link): string | undefined {
    const { acts, findings } = checkAct(this.#grounds, link.path);
    const [act] = acts;
    if (act === undefined && !this.#isGone(link))
      return `${link.path}: ${findings[0]?.message ?? 'it is missing'}`;
    this.#catalog.transaction(() => {
      if (act !== undefined) apply(this.#catalog, act);
      this.#catalog.acts.setThrough(link.sequence);
    });
    return undefined;
  }

  /** The acts on a recording that is deleted went with it. */
  #isGone({ id }: Link): boolean {
    this.#deleted ??= deletionsIn(checkDeletions(this.#grounds).acts);
    return this.#deleted.has(id);
  }
}

function apply({ acts }: CatalogWriter, { act, createdAt: at, sequence }: Act): void {
  if (act.type === 'hold') acts.hold(act.recording, act.reason);
  if (act.type === 'unhold') acts.unhold(act.recording);
  if (act.type === 'label') acts.label(act.recording, { add: act.add ?? [], remove: act.remove ?? [] });
  if (act.type === 'purge')
    for (const { recording: id, rule } of act.recordings) acts.delete({ id, at, rule, act: sequence });
}
