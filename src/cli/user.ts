// `grec user`: who may use Web Services; each change is noted in the audit log before it is made.

import { GrecError } from '../errors.ts';
import { hashPassword, LONGEST_PASSWORD, SHORTEST_PASSWORD } from '../web/access/passwords.ts';
import { ROLES, type Role } from '../web/access/rights.ts';
import { AccessStore, unknownUser } from '../web/access/store.ts';
import { note } from './audited.ts';
import type { CliContext } from './context.ts';
import { readPassword } from './dn-password.ts';
import { EXIT } from './exit-codes.ts';
import { localTime } from './table.ts';

export interface UserAddOptions {
  role: string;
  dn?: string[];
  place?: string;
  passwordStdin?: boolean;
  passwordFile?: string;
}

export interface UserPasswordOptions {
  passwordStdin?: boolean;
  passwordFile?: string;
}

const NAME = /^[a-z0-9][a-z0-9._@-]{0,63}$/;
const PLACE = /^(\/|(\/[A-Za-z0-9_.-]{1,32}){1,8})$/;
const DN = /^[\w+*#.-]{1,32}$/;
const MOST_DNS = 64;

/** @throws GrecError USAGE, USER_EXISTS, STATE_UNUSABLE, AUDIT_UNWRITABLE */
export async function userAdd(
  context: CliContext,
  name: string,
  { role, dn = [], place = '/', ...options }: UserAddOptions,
): Promise<number> {
  const known = readRole(role);
  if (!NAME.test(name))
    throw new GrecError('USAGE', `${JSON.stringify(name)} cannot be a user`, {
      hint: 'a user has 1 to 64 of a-z, 0-9 and . _ @ -, and begins with a letter or digit',
    });
  if (!PLACE.test(place))
    throw new GrecError('USAGE', `--place ${JSON.stringify(place)} is none`, {
      hint: 'such as /sales/north',
    });
  const wrong = dn.find((number) => !DN.test(number));
  if (wrong !== undefined || dn.length > MOST_DNS)
    throw new GrecError('USAGE', `--dn: ${wrong === undefined ? 'too many' : JSON.stringify(wrong)}`, {
      hint: `up to ${MOST_DNS} DNs or agent logins, each of 1 to 32 characters`,
    });
  const password = await newPassword(context, name, options);
  return withStore(context, async (store) => {
    if (store.user(name) === undefined)
      await note(context, { what: 'user', details: { action: 'add', name, role, place, dns: dn.join(' ') } });
    store.addUser({ name, role: known, place, dns: dn, password }, Date.now());
    if (context.json) context.printJson(shown(store, name));
    else context.print(`${name} added: ${role}${password === undefined ? ', with tokens alone' : ''}`);
    return EXIT.ok;
  });
}

/** @throws GrecError USAGE, USER_UNKNOWN, STATE_UNUSABLE, AUDIT_UNWRITABLE */
export async function userPasswd(
  context: CliContext,
  name: string,
  options: UserPasswordOptions,
): Promise<number> {
  const password = await newPassword(context, name, options);
  if (password === undefined)
    throw new GrecError('USAGE', 'say where the password comes from: --password-stdin or --password-file', {
      hint: 'on a terminal --password-stdin asks for it',
    });
  return withStore(context, async (store) => {
    if (store.user(name) === undefined) throw unknownUser(name);
    await note(context, { what: 'user', details: { action: 'passwd', name } });
    store.setPassword(name, password);
    if (context.json) context.printJson(shown(store, name));
    else context.print(`${name} has a new password`);
    return EXIT.ok;
  });
}

/** @throws GrecError USER_UNKNOWN, STATE_UNUSABLE, AUDIT_UNWRITABLE */
export async function userRemove(context: CliContext, name: string): Promise<number> {
  return withStore(context, async (store) => {
    if (store.user(name) === undefined) throw unknownUser(name);
    await note(context, { what: 'user', details: { action: 'rm', name } });
    store.removeUser(name);
    if (context.json) context.printJson({ removed: name });
    else context.print(`${name} removed, with all their tokens`);
    return EXIT.ok;
  });
}

/** @throws GrecError STATE_UNUSABLE */
export async function userList(context: CliContext): Promise<number> {
  return withStore(context, async (store) => {
    const users = store.users();
    if (context.json) context.printJson(users.map(({ name }) => shown(store, name)));
    else if (users.length === 0)
      context.note(`no user; make one: ${context.command('user add ann --role admin --password-stdin')}`);
    else
      context.printTable(
        ['USER', 'ROLE', 'PLACE', 'DNS', 'PASSWORD', 'SINCE'],
        users.map(({ name, role, place, dns, hasPassword, createdAt }) => [
          name,
          role,
          place,
          dns.join(' ') || '-',
          hasPassword ? 'yes' : 'no',
          localTime(createdAt),
        ]),
      );
    return EXIT.ok;
  });
}

export async function withStore(
  context: CliContext,
  work: (store: AccessStore) => Promise<number>,
): Promise<number> {
  const store = new AccessStore(context.config.paths.webDb);
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

function shown(store: AccessStore, name: string) {
  const user = store.user(name);
  return user && { ...user, createdAt: new Date(user.createdAt).toISOString() };
}

function readRole(text: string): Role {
  const role = ROLES.find((one) => one === text);
  if (role !== undefined) return role;
  throw new GrecError('USAGE', `--role ${JSON.stringify(text)} is none of ${ROLES.join(', ')}`);
}

async function newPassword(
  context: CliContext,
  name: string,
  options: UserPasswordOptions,
): Promise<string | undefined> {
  const password = await readPassword(context, name, options);
  if (password === undefined) return undefined;
  if (password.length < SHORTEST_PASSWORD || password.length > LONGEST_PASSWORD)
    throw new GrecError('USAGE', `a password has ${SHORTEST_PASSWORD} to ${LONGEST_PASSWORD} characters`, {
      hint: 'some words that nobody says together are easy to keep',
    });
  return hashPassword(password);
}
