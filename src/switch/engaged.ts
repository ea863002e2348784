// Which DNs have a call that is answered, held or not: a further call from one of them consults somebody.

export class EngagedDns {
  readonly #byCall = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, number>();

  has(dn: string): boolean {
    return this.#counts.has(dn);
  }

  /** A call is answered, or its parties have changed: these are its DNs now. */
  note(call: string, dns: readonly (string | undefined)[]): void {
    this.drop(call);
    const known = [...new Set(dns)].filter((dn) => dn !== undefined);
    this.#byCall.set(call, known);
    for (const dn of known) this.#counts.set(dn, (this.#counts.get(dn) ?? 0) + 1);
  }

  /** A call is over. */
  drop(call: string): void {
    for (const dn of this.#byCall.get(call) ?? []) {
      const count = (this.#counts.get(dn) ?? 1) - 1;
      if (count === 0) this.#counts.delete(dn);
      else this.#counts.set(dn, count);
    }
    this.#byCall.delete(call);
  }
}
