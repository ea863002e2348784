// Users and tokens of Web Services, in a small database of their own: the command line writes it, grec-webd reads it.
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { GrecError, messageOf } from '../../errors.ts';
import { RIGHTS, type Right, type Role } from './rights.ts';
import { migrate } from './schema.ts';

export interface User {
  name: string;
  role: Role;
  /** In the hierarchy: a supervisor sees who is there or below. */
  place: string;
  /** The DNs and agent logins that are theirs. */
  dns: string[];
  hasPassword: boolean;
  /** Milliseconds since 1970. */
  createdAt: number;
}

export interface Token {
  id: string;
  user: string;
  name: string;
  /** Null: all that the user may. */
  scopes: Right[] | null;
  /** Milliseconds since 1970. */
  createdAt: number;
  expiresAt: number;
}

export type NewUser = Omit<User, 'hasPassword' | 'createdAt'> & { password: string | undefined };

const USERS =
  'SELECT name, role, place, password IS NOT NULL AS hasPassword, created_at AS createdAt FROM users';
const TOKENS = 'SELECT id, user, name, scopes, created_at AS createdAt, expires_at AS expiresAt FROM tokens';
const WAIT_MS = 2_000;
const MODE = 0o600;

type UserRow = Omit<User, 'dns' | 'hasPassword'> & { hasPassword: number };
type TokenRow = Omit<Token, 'scopes'> & { scopes: string | null };

export class AccessStore {
  readonly #db: Database.Database;

  /** Makes it when it is not there. @throws GrecError STATE_UNUSABLE */
  constructor(file: string) {
    this.#db = open(file);
  }

  users(): User[] {
    return this.#db
      .prepare<[], UserRow>(`${USERS} ORDER BY name`)
      .all()
      .map((row) => this.#userOf(row));
  }

  user(name: string): User | undefined {
    const row = this.#db.prepare<[string], UserRow>(`${USERS} WHERE name = ?`).get(name);
    return row && this.#userOf(row);
  }

  /** As it is kept; undefined when there is no such user, or they have none. */
  passwordOf(name: string): string | undefined {
    const sql = 'SELECT password FROM users WHERE name = ?';
    return this.#db.prepare<[string], { password: string | null }>(sql).get(name)?.password ?? undefined;
  }

  /** @throws GrecError USER_EXISTS */
  addUser({ name, role, place, dns, password }: NewUser, now: number): void {
    if (this.user(name) !== undefined)
      throw new GrecError('USER_EXISTS', `there is a user ${name} already`, {
        hint: '`grec user passwd` gives them another password; `grec user rm` removes them',
      });
    const sql = 'INSERT INTO users (name, role, password, place, created_at) VALUES (?, ?, ?, ?, ?)';
    const addDn = this.#db.prepare('INSERT OR IGNORE INTO user_dns (user, dn) VALUES (?, ?)');
    this.#db.transaction(() => {
      this.#db.prepare(sql).run(name, role, password ?? null, place, now);
      for (const dn of dns) addDn.run(name, dn);
    })();
  }

  /** @throws GrecError USER_UNKNOWN */
  setPassword(name: string, password: string): void {
    const { changes } = this.#db.prepare('UPDATE users SET password = ? WHERE name = ?').run(password, name);
    if (changes === 0) throw unknownUser(name);
  }

  /** With all their tokens. @throws GrecError USER_UNKNOWN */
  removeUser(name: string): void {
    if (this.#db.prepare('DELETE FROM users WHERE name = ?').run(name).changes === 0) throw unknownUser(name);
  }

  /** The DNs of all whose place is this one or below it. */
  dnsWithin(place: string): string[] {
    const below = place === '/' ? '/' : `${place}/`;
    const sql = `SELECT DISTINCT dn FROM user_dns JOIN users ON name = user
      WHERE place = @place OR substr(place, 1, length(@below)) = @below ORDER BY dn`;
    return this.#db
      .prepare<[object], { dn: string }>(sql)
      .all({ place, below })
      .map(({ dn }) => dn);
  }

  tokens(user?: string): Token[] {
    const where = user === undefined ? '' : 'WHERE user = @user';
    const rows = this.#db.prepare<[object], TokenRow>(`${TOKENS} ${where} ORDER BY created_at`).all({ user });
    return rows.map(tokenOf);
  }

  /** @param hash as of hashToken */
  tokenOf(hash: string): Token | undefined {
    const row = this.#db.prepare<[string], TokenRow>(`${TOKENS} WHERE hash = ?`).get(hash);
    return row && tokenOf(row);
  }

  /** @throws GrecError USER_UNKNOWN */
  addToken({ id, user, name, scopes, createdAt, expiresAt }: Token, hash: string): void {
    if (this.user(user) === undefined) throw unknownUser(user);
    const sql = `INSERT INTO tokens (id, hash, user, name, scopes, created_at, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?)`;
    this.#db.prepare(sql).run(id, hash, user, name, scopes?.join(' ') ?? null, createdAt, expiresAt);
  }

  /** @throws GrecError TOKEN_UNKNOWN */
  removeToken(id: string): void {
    if (this.#db.prepare('DELETE FROM tokens WHERE id = ?').run(id).changes > 0) return;
    throw new GrecError('TOKEN_UNKNOWN', `there is no token ${JSON.stringify(id)}`, {
      hint: '`grec token ls` shows the tokens with their ids',
    });
  }

  close(): void {
    this.#db.close();
  }

  #userOf({ hasPassword, ...row }: UserRow): User {
    const sql = 'SELECT dn FROM user_dns WHERE user = ? ORDER BY dn';
    const dns = this.#db.prepare<[string], { dn: string }>(sql).all(row.name);
    return { ...row, dns: dns.map(({ dn }) => dn), hasPassword: hasPassword === 1 };
  }
}

function tokenOf({ scopes, ...row }: TokenRow): Token {
  if (scopes === null) return { ...row, scopes };
  return { ...row, scopes: RIGHTS.filter((right) => scopes.split(' ').includes(right)) };
}

export function unknownUser(name: string): GrecError {
  return new GrecError('USER_UNKNOWN', `there is no user ${JSON.stringify(name)}`, {
    hint: '`grec user ls` shows the users',
  });
}

function open(file: string): Database.Database {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
    makePrivate(file);
    const db = new Database(file, { timeout: WAIT_MS });
    db.pragma('foreign_keys = ON');
    db.pragma('synchronous = FULL');
    migrate(db, file);
    return db;
  } catch (thrown) {
    if (thrown instanceof GrecError) throw thrown;
    throw new GrecError('STATE_UNUSABLE', `cannot use the users of ${file}: ${messageOf(thrown)}`, {
      hint: 'run it as the user of the daemons or as root, and look at the free space of the disk',
      cause: thrown,
    });
  }
}

/** Nobody else's to read; what root makes is for the daemons, which have the directory around it. */
function makePrivate(file: string): void {
  closeSync(openSync(file, 'a', MODE));
  const { uid, gid, mode } = statSync(file);
  if ((mode & 0o077) !== 0) chmodSync(file, MODE);
  const around = statSync(dirname(file));
  if (process.getuid?.() === 0 && (uid !== around.uid || gid !== around.gid))
    chownSync(file, around.uid, around.gid);
}
