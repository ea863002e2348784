// The branches of a forked call, by the branch of the Via of each (ng key `via-branch`): it ends with the last of them.

/** More would only be a mistake, or an attack. */
const MOST_BRANCHES = 64;

export class Branches {
  readonly #branches = new Map<string, Set<string>>();

  /** A call was offered on a branch. */
  note(call: string, branch: string | undefined): void {
    if (branch === undefined || branch === '') return;
    const known = this.#branches.get(call) ?? new Set();
    if (known.size < MOST_BRANCHES) known.add(branch);
    this.#branches.set(call, known);
  }

  /** One branch has ended. @returns true when the call goes on with others */
  leave(call: string, branch: string | undefined): boolean {
    const known = this.#branches.get(call);
    if (branch === undefined || known === undefined) return false;
    return known.delete(branch) && known.size > 0;
  }

  forget(call: string): void {
    this.#branches.delete(call);
  }
}
