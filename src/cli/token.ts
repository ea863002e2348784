// `grec token`: the tokens of programs that use Web Services; each change is noted in the audit log before it is made.
import { GrecError } from '../errors.ts';
import { RIGHTS, RIGHTS_OF, type Right } from '../web/access/rights.ts';
import { type Token, unknownUser } from '../web/access/store.ts';
import { hashToken, makeToken, makeTokenId } from '../web/access/tokens.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { localTime } from './table.ts';
import { withStore } from './user.ts';

export interface TokenAddOptions {
  name?: string;
  scope?: string[];
  /** Days. */
  days: string;
}

export interface TokenListOptions {
  user?: string;
}

const DAY_MS = 86_400_000;
const MOST_DAYS = 3660;

/** It is printed once, and kept nowhere. @throws GrecError USAGE, USER_UNKNOWN, STATE_UNUSABLE, AUDIT_UNWRITABLE */
export async function tokenAdd(
  context: CliContext,
  user: string,
  { name = '', scope, days }: TokenAddOptions,
): Promise<number> {
  const lasts = readDays(days);
  if (name.length > 64 || /\p{Cc}/u.test(name))
    throw new GrecError('USAGE', '--name has up to 64 printable characters');
  return withStore(context, async (store) => {
    const known = store.user(user);
    if (known === undefined) throw unknownUser(user);
    const scopes = scope === undefined ? null : readScopes(scope, RIGHTS_OF[known.role]);
    const id = makeTokenId();
    const secret = makeToken();
    const createdAt = Date.now();
    const details = { action: 'add', id, user, scopes: scopes?.join(' ') ?? 'all', days: lasts };
    await note(context, { what: 'token', details });
    const token: Token = { id, user, name, scopes, createdAt, expiresAt: createdAt + lasts * DAY_MS };
    store.addToken(token, hashToken(secret) ?? '');
    if (context.json) context.printJson({ ...shown(token), token: secret });
    else {
      context.print(secret);
      context.note(`token ${id} of ${user}, until ${localTime(token.expiresAt)}; it is not shown again`);
    }
    return EXIT.ok;
  });
}

/** @throws GrecError TOKEN_UNKNOWN, STATE_UNUSABLE, AUDIT_UNWRITABLE */
export async function tokenRemove(context: CliContext, id: string): Promise<number> {
  return withStore(context, async (store) => {
    const token = store.tokens().find((one) => one.id === id);
    if (token !== undefined)
      await note(context, { what: 'token', details: { action: 'rm', id, user: token.user } });
    store.removeToken(id);
    if (context.json) context.printJson({ removed: id });
    else context.print(`token ${id} removed`);
    return EXIT.ok;
  });
}

/** @throws GrecError STATE_UNUSABLE */
export async function tokenList(context: CliContext, { user }: TokenListOptions): Promise<number> {
  return withStore(context, async (store) => {
    const tokens = store.tokens(user);
    if (context.json) context.printJson(tokens.map(shown));
    else if (tokens.length === 0) context.note('no tokens');
    else
      context.printTable(
        ['TOKEN', 'USER', 'UNTIL', 'SCOPES', 'NAME'],
        tokens.map(({ id, user, expiresAt, scopes, name }) => [
          id,
          user,
          `${localTime(expiresAt)}${expiresAt <= Date.now() ? ' (over)' : ''}`,
          scopes?.join(' ') ?? 'all',
          name,
        ]),
      );
    return EXIT.ok;
  });
}

function shown({ createdAt, expiresAt, ...token }: Token) {
  const [created, expires] = [createdAt, expiresAt].map((at) => new Date(at).toISOString());
  return { ...token, createdAt: created, expiresAt: expires };
}

function readDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= MOST_DAYS) return days;
  throw new GrecError('USAGE', `--days ${JSON.stringify(text)} is no whole number from 1 to ${MOST_DAYS}`);
}

function readScopes(words: readonly string[], allowed: readonly Right[]): Right[] {
  const wrong = words.find((word) => !allowed.some((right) => right === word));
  if (wrong === undefined) return RIGHTS.filter((right) => words.includes(right));
  throw new GrecError('USAGE', `--scope ${JSON.stringify(wrong)} is nothing that the user may`, {
    hint: `the scopes are ${allowed.join(', ')}`,
  });
}
