// Who may come in to Web Services, and how often: by address before anything is looked at, by user once they are known.
import type { FastifyRequest } from 'fastify';
import { Identifier } from './identify.ts';
import { type Identity, nobody } from './identity.ts';
import { Rates, sourceOf } from './limits.ts';
import { problem } from './problem.ts';
import { type Answer, type Route, refuse } from './route.ts';
import type { Web } from './web.ts';

export class Doors {
  readonly #web: Web;
  readonly #counts: { refused: number };
  readonly #identifier: Identifier;
  readonly #byAddress: Rates;
  readonly #byUser: Rates;
  readonly #known = new WeakMap<FastifyRequest, Identity>();

  constructor(web: Web, counts: { refused: number }) {
    const { rate } = web.config.web;
    this.#web = web;
    this.#counts = counts;
    this.#byAddress = new Rates(rate);
    this.#byUser = new Rates(rate);
    const onWrong = (address: string) => web.log.warn({ address }, 'a name or password was wrong');
    this.#identifier = new Identifier({ store: web.store, onWrong });
  }

  mayCome({ ip }: FastifyRequest): number {
    return this.#counted(this.#byAddress.take(sourceOf(ip)));
  }

  #counted(wait: number): number {
    if (wait > 0) this.#counts.refused += 1;
    return wait;
  }

  identityOf(request: FastifyRequest): Identity {
    return this.#known.get(request) ?? nobody(request.ip);
  }

  /** @returns why not; undefined when they may */
  async letIn(request: FastifyRequest, { needs }: Route): Promise<Answer | undefined> {
    if (needs === 'anyone') return undefined;
    const found = await this.#identifier.identify(request.headers.authorization, request.ip);
    if ('problem' in found) {
      this.#counts.refused += 1;
      if (found.wait !== undefined) return refuse(found.problem, { 'retry-after': String(found.wait) });
      return refuse(found.problem, {
        'www-authenticate': 'Bearer realm="grec", Basic realm="grec", charset="UTF-8"',
      });
    }
    this.#known.set(request, found);
    const wait = this.#counted(this.#byUser.take(found.token ?? found.user));
    if (wait > 0) return tooMany(wait);
    if (needs === 'known' || found.rights.has(needs)) return undefined;
    this.#web.log.info({ user: found.user, needs }, 'not permitted');
    return refuse(problem(403, 'not-permitted', `this needs the right ${needs}`));
  }
}

export function tooMany(wait: number): Answer {
  const told = problem(429, 'too-many-requests', `too many requests: try again after ${wait} s`);
  return refuse(told, { 'retry-after': String(wait) });
}
