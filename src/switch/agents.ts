// Agents log in on DNs and out again; each change is an event in the journal.
import { article, hasPhone } from '../dn-settings.ts';
import { GrecError } from '../errors.ts';
import type { EventBody } from '../spool/events.ts';
import type { AgentLogin } from './agent-logins.ts';
import { typeOf } from './dn.ts';
import type { DnStore } from './dn-store.ts';

/** How a login came about. */
export type LoginWay = 'control' | 'feature-code';

export interface LoginRequest {
  agent: string;
  dn: string;
  /** Logs out whoever stands in the way. */
  force: boolean;
  by: LoginWay;
}

export class Agents {
  readonly #store: DnStore;
  readonly #journal: (event: EventBody) => void;
  readonly #now: () => number;

  constructor(store: DnStore, journal: (event: EventBody) => void, now: () => number = Date.now) {
    this.#store = store;
    this.#journal = journal;
    this.#now = now;
  }

  /**
   * Calls under way stay those of whom they began with.
   * @returns whether anything changed: the same login again is no mistake
   * @throws GrecError DN_UNKNOWN, DN_INVALID, AGENT_LOGGED_IN
   */
  logIn({ agent, dn, force, by }: LoginRequest): { login: AgentLogin; changed: boolean } {
    this.#checkKinds(agent, dn);
    const { logins } = this.#store;
    const [own, there] = [logins.ofAgent(agent), logins.at(dn)];
    if (own !== undefined && own.dn === dn) return { login: own, changed: false };
    const others = [own, there].filter((login) => login !== undefined);
    const [first] = others;
    if (first !== undefined && !force) throw loggedIn(first, agent, dn);
    const login = { agent, dn, since: this.#now() };
    logins.logIn(login);
    for (const other of others) this.#tellLogout(other, `${agent} was logged in on ${dn} by force`);
    this.#journal({ type: 'agent.loggedIn', agent, dn, by });
    return { login, changed: true };
  }

  /** @returns who was logged out, if anybody was */
  logOut(agent: string, reason: string): AgentLogin | undefined {
    const login = this.#store.logins.ofAgent(agent);
    if (login === undefined) return undefined;
    this.#store.logins.logOut(agent);
    this.#tellLogout(login, reason);
    return login;
  }

  /** A DN goes, or becomes something else: nobody is logged in as it or on it any more. */
  clear(number: string, reason: string): void {
    const { logins } = this.#store;
    for (const login of [logins.ofAgent(number), logins.at(number)])
      if (login !== undefined) this.logOut(login.agent, reason);
  }

  /** @throws GrecError DN_UNKNOWN unless there is an agent login of this number */
  known(agent: string): void {
    const found = this.#store.dn(agent);
    if (found !== undefined && typeOf(found) === 'agent-login') return;
    const what = found === undefined ? 'there is none' : `it is ${article(typeOf(found))}`;
    throw new GrecError('DN_UNKNOWN', `${agent} is no agent login: ${what}`, {
      hint: `\`grec agent list\` shows the agents; \`grec dn add ${agent} --type agent-login\` makes one`,
    });
  }

  #checkKinds(agent: string, dn: string): void {
    this.known(agent);
    const place = this.#store.dn(dn);
    if (place === undefined)
      throw new GrecError('DN_UNKNOWN', `there is no DN ${dn}`, {
        hint: '`grec dn list` shows the DNs there are',
      });
    if (hasPhone(typeOf(place))) return;
    throw new GrecError('DN_INVALID', `nobody can log in on ${dn}: it is ${article(typeOf(place))}`, {
      hint: 'agents log in on extensions and ACD positions',
    });
  }

  #tellLogout({ agent, dn }: AgentLogin, reason: string): void {
    this.#journal({ type: 'agent.loggedOut', agent, dn, reason });
  }
}

function loggedIn(login: AgentLogin, agent: string, dn: string): GrecError {
  const since = new Date(login.since).toISOString();
  return new GrecError(
    'AGENT_LOGGED_IN',
    `agent ${login.agent} is logged in on DN ${login.dn} since ${since}`,
    {
      hint: `log them out first, or: \`grec agent login ${agent} --dn ${dn} --force\``,
    },
  );
}
