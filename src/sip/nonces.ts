// Nonces of digest authentication: signed, limited in time, and good for each count once (RFC 7616 section 5.4).
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';

export interface NonceOptions {
  /** Key of the nonces; random by default, so that a restart makes every nonce a forged one. */
  secret?: Buffer;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** How long a nonce is good for, milliseconds. */
  lifetime?: number;
  /** Nonces whose use is remembered at once. */
  capacity?: number;
}

const TIME_BYTES = 6;
const SALT_BYTES = 9;
const MAC_BYTES = 18;

/** Nonces that carry their time and are signed, so that issuing one stores nothing; only used ones are remembered. */
export class Nonces {
  readonly #secret: KeyObject;
  readonly #now: () => number;
  readonly #lifetime: number;
  readonly #capacity: number;
  /** The highest count seen by nonce, in the order of first use. */
  readonly #used = new Map<string, number>();
  /** Nonces issued up to this time are stale: one of them was used and has been forgotten. */
  #forgotten = 0;

  constructor(options: NonceOptions) {
    // A key object: from bytes one is made anew for each nonce, which takes five times as long.
    this.#secret = createSecretKey(options.secret ?? randomBytes(32));
    this.#now = options.now;
    this.#lifetime = options.lifetime ?? 300_000;
    this.#capacity = options.capacity ?? 10_000;
  }

  /** @param bound what the nonce holds for, the address of who asked say: from elsewhere it is a forged one */
  issue(bound = ''): string {
    const payload = Buffer.alloc(TIME_BYTES + SALT_BYTES);
    payload.writeUIntBE(this.#now(), 0, TIME_BYTES);
    randomBytes(SALT_BYTES).copy(payload, TIME_BYTES);
    return Buffer.concat([payload, this.#sign(payload, bound)]).toString('base64url');
  }

  #sign(payload: Buffer, bound: string): Buffer {
    return createHmac('sha256', this.#secret).update(payload).update(bound).digest().subarray(0, MAC_BYTES);
  }

  /** What is wrong with a nonce, or undefined. */
  check(nonce: string, bound = ''): 'forged-nonce' | 'stale' | undefined {
    const bytes = Buffer.from(nonce, 'base64url');
    if (bytes.length !== TIME_BYTES + SALT_BYTES + MAC_BYTES || bytes.toString('base64url') !== nonce)
      return 'forged-nonce';
    const payload = bytes.subarray(0, TIME_BYTES + SALT_BYTES);
    if (!timingSafeEqual(this.#sign(payload, bound), bytes.subarray(payload.length))) return 'forged-nonce';
    const issued = issuedAt(bytes);
    const age = this.#now() - issued;
    const forgotten = issued <= this.#forgotten && !this.#used.has(nonce);
    return age > this.#lifetime || age < -this.#lifetime || forgotten ? 'stale' : undefined;
  }

  /** Notes a use; false when this count, or any for a client that does not count, was used before. */
  use(nonce: string, count: number | undefined): boolean {
    const last = this.#used.get(nonce);
    if (last !== undefined && (count === undefined || count <= last)) return false;
    this.#used.set(nonce, count ?? Number.MAX_SAFE_INTEGER);
    if (this.#used.size > this.#capacity) this.#forgetOldest();
    return true;
  }

  #forgetOldest(): void {
    for (const nonce of this.#used.keys()) {
      this.#used.delete(nonce);
      this.#forgotten = Math.max(this.#forgotten, issuedAt(Buffer.from(nonce, 'base64url')));
      return;
    }
  }
}

function issuedAt(nonce: Buffer): number {
  return nonce.readUIntBE(0, TIME_BYTES);
}
