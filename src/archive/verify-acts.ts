// The acts of an archive in its verification: links of the chain, and what became of recordings that are not there.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CheckedActs,
  checkAct,
  checkActs,
  checkAllActs,
  checkDeletions,
  type Deletion,
  deletionsIn,
} from './check-acts.ts';
import type { Finding } from './finding.ts';
import { isAct, type Link } from './links.ts';
import type { DeletedRecording } from './verify.ts';
import type { Checked, Grounds, SeenLink } from './verify-recording.ts';

/** Deleting files takes its time after it was signed, and goes on after a crash with the next deletion. */
const DELETING_MS = 600_000;

export class VerifiedActs {
  readonly links: SeenLink[] = [];
  readonly findings: Finding[] = [];
  readonly deletions: ReadonlyMap<string, Deletion>;
  readonly #grounds: Grounds;
  readonly #bySequence = new Map<number, SeenLink[]>();

  /** @param ids of recordings: their acts alone, and all deletions; every act when absent. Throws Node's system errors. */
  constructor(grounds: Grounds, ids?: readonly string[]) {
    this.#grounds = grounds;
    const parts: CheckedActs[] =
      ids === undefined
        ? [checkAllActs(grounds)]
        : [checkDeletions(grounds), ...ids.map((id) => checkActs(grounds, id))];
    for (const { links, findings } of parts) {
      this.links.push(...links);
      this.findings.push(...findings);
    }
    for (const link of this.links)
      this.#bySequence.set(link.sequence, [...(this.#bySequence.get(link.sequence) ?? []), link]);
    this.deletions = deletionsIn(parts.flatMap(({ acts }) => acts));
  }

  /** What acts prove of a link; undefined when it is for the recording to prove it. */
  linkAt(path: string, sequence: number): SeenLink[] | undefined {
    const known = this.#bySequence.get(sequence);
    if (known !== undefined || !isAct({ path })) return known;
    return checkAct(this.#grounds, path).links.filter((link) => link.sequence === sequence);
  }

  /**
   * Takes recordings out of `checked` that were deleted meanwhile, with what was found of them.
   * @param now milliseconds since 1970
   * @returns those that are there, though they were deleted
   */
  takeOut(checked: Map<string, Checked>, now = Date.now()): Finding[] {
    const findings: Finding[] = [];
    for (const [path, { id }] of checked) {
      const deletion = this.deletions.get(id);
      if (deletion === undefined) continue;
      if (!existsSync(join(this.#grounds.archive, path)) || now - Date.parse(deletion.at) < DELETING_MS)
        checked.delete(path);
      else findings.push(leftOver(path, deletion));
    }
    return findings;
  }

  /** Of recordings that are gone: those that were deleted. */
  deletedOf(gone: readonly Link[]): DeletedRecording[] {
    return gone.flatMap(({ id, path }): DeletedRecording[] => {
      const deletion = this.deletions.get(id);
      return deletion === undefined
        ? []
        : [{ id, path, state: 'deleted', at: deletion.at, rule: deletion.rule }];
    });
  }
}

function leftOver(path: string, { recording: id, sequence, at }: Deletion): Finding {
  const message = `it was deleted on ${at} (link ${sequence}), and is there: this was not finished, or somebody has put it back`;
  return { code: 'recording-deleted', id, path, sequence, message };
}
