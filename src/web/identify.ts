// The Authorization header: a token (RFC 6750), or name and password (RFC 7617).
import { isPassword } from './access/passwords.ts';
import type { AccessStore } from './access/store.ts';
import { hashToken } from './access/tokens.ts';
import { Guesses } from './guesses.ts';
import { type Identity, identityOf } from './identity.ts';
import { type Problem, problem } from './problem.ts';

/** Each takes 32 megabytes and some tens of milliseconds of a core. */
const MOST_PASSWORDS_AT_ONCE = 2;
const MOST_PASSWORDS_WAITING = 16;

/** Why somebody is not let in; after `wait` seconds it can be tried again. */
export interface NotLetIn {
  problem: Problem;
  wait: number | undefined;
}

export interface IdentifierOptions {
  store: AccessStore;
  /** Milliseconds since 1970. */
  now?: () => number;
  guesses?: Guesses;
  onWrong?(address: string): void;
}

export class Identifier {
  readonly #store: AccessStore;
  readonly #now: () => number;
  readonly #guesses: Guesses;
  readonly #onWrong: (address: string) => void;
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  constructor({ store, now = Date.now, guesses = new Guesses(), onWrong = () => {} }: IdentifierOptions) {
    this.#store = store;
    this.#now = now;
    this.#guesses = guesses;
    this.#onWrong = onWrong;
  }

  /** @param address of the other end */
  async identify(authorization: string | undefined, address: string): Promise<Identity | NotLetIn> {
    if (authorization === undefined) return wrong('this needs a token, or a name and a password');
    const [, scheme = '', value = ''] = /^(Bearer|Basic) +([\w.~+/=-]+)$/i.exec(authorization) ?? [];
    if (scheme.toLowerCase() === 'bearer') return this.#byToken(value, address);
    if (scheme.toLowerCase() === 'basic') return this.#byPassword(value, address);
    return wrong('the Authorization header is neither Bearer nor Basic');
  }

  #byToken(token: string, address: string): Identity | NotLetIn {
    const hash = hashToken(token);
    const known = hash === undefined ? undefined : this.#store.tokenOf(hash);
    const user = known && this.#store.user(known.user);
    if (known === undefined || user === undefined) return wrong('this token is not known');
    if (known.expiresAt <= this.#now()) return wrong('this token has expired');
    return identityOf(this.#store, user, known, address);
  }

  async #byPassword(value: string, address: string): Promise<Identity | NotLetIn> {
    const [, name = '', password = ''] =
      /^([^:]{1,64}):(.*)$/s.exec(Buffer.from(value, 'base64').toString('utf8')) ?? [];
    const wait = this.#guesses.wait(address, name);
    if (wait > 0) return later(`too many passwords were wrong: try again after ${wait} s`, wait);
    if (this.#waiting.length >= MOST_PASSWORDS_WAITING) return later('too many passwords at a time', 1);
    this.#guesses.begin(address, name);
    const isRight = await this.#inTurn(() => isPassword(password, this.#store.passwordOf(name)));
    const user = isRight ? this.#store.user(name) : undefined;
    if (user === undefined) {
      this.#onWrong(address);
      return wrong('name or password are wrong');
    }
    this.#guesses.wasRight(address, name);
    return identityOf(this.#store, user, null, address);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#active >= MOST_PASSWORDS_AT_ONCE)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#active += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#active -= 1;
      else next();
    }
  }
}

function wrong(detail: string): NotLetIn {
  return { problem: problem(401, 'not-authenticated', detail), wait: undefined };
}

function later(detail: string, wait: number): NotLetIn {
  return { problem: problem(429, 'too-many-guesses', detail), wait };
}
