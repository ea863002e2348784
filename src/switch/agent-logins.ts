// Who is logged in where: one agent on one DN, one DN for one agent; kept over restarts.
import type Database from 'better-sqlite3';

export interface AgentLogin {
  /** Number of the agent login. */
  agent: string;
  dn: string;
  /** Wall clock, milliseconds since 1970. */
  since: number;
}

export class AgentLogins {
  readonly #db: Database.Database;
  /** What the database holds: every call asks for both parties. */
  readonly #byAgent = new Map<string, AgentLogin>();
  readonly #byDn = new Map<string, AgentLogin>();

  constructor(db: Database.Database) {
    this.#db = db;
    for (const login of db.prepare<[], AgentLogin>('SELECT agent, dn, since FROM agent_login').all())
      this.#note(login);
  }

  ofAgent(agent: string): AgentLogin | undefined {
    return this.#byAgent.get(agent);
  }

  /** Who is logged in on a DN. */
  at(dn: string): AgentLogin | undefined {
    return this.#byDn.get(dn);
  }

  /** By number of the agent. */
  all(): AgentLogin[] {
    return [...this.#byAgent.values()].sort((one, other) => (one.agent < other.agent ? -1 : 1));
  }

  /** Puts a login in the place of that of the agent, and of that on the DN, at once. Throws SQLite's errors. */
  logIn(login: AgentLogin): void {
    const remove = this.#db.prepare('DELETE FROM agent_login WHERE agent = ? OR dn = ?');
    const insert = this.#db.prepare('INSERT INTO agent_login (agent, dn, since) VALUES (?, ?, ?)');
    this.#db.transaction(() => {
      remove.run(login.agent, login.dn);
      insert.run(login.agent, login.dn, login.since);
    })();
    this.#drop(this.ofAgent(login.agent));
    this.#drop(this.at(login.dn));
    this.#note(login);
  }

  /** Throws SQLite's errors. */
  logOut(agent: string): void {
    this.#db.prepare('DELETE FROM agent_login WHERE agent = ?').run(agent);
    this.#drop(this.ofAgent(agent));
  }

  /** A DN was removed, and the database has dropped what referred to it. */
  forget(number: string): void {
    this.#drop(this.ofAgent(number));
    this.#drop(this.at(number));
  }

  #note(login: AgentLogin): void {
    this.#byAgent.set(login.agent, login);
    this.#byDn.set(login.dn, login);
  }

  #drop(login: AgentLogin | undefined): void {
    if (login === undefined) return;
    this.#byAgent.delete(login.agent);
    this.#byDn.delete(login.dn);
  }
}
