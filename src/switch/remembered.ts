// What the database has answered, until it is written: each call asks for the same few rows again.

/** Keeps what was found, by key. What was not found is not kept: strangers ask for numbers without end. */
export class Remembered<Value extends object> {
  readonly #read: (key: string) => Value | undefined;
  readonly #values = new Map<string, Value>();

  constructor(read: (key: string) => Value | undefined) {
    this.#read = read;
  }

  /** The same object each time: it must not be changed. */
  get(key: string): Value | undefined {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const value = this.#read(key);
    if (value !== undefined) this.#values.set(key, value);
    return value;
  }

  /** To be called with every write of what stands under `key`. */
  forget(key: string): void {
    this.#values.delete(key);
  }
}
