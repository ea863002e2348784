// The [[trunk]] tables of the configuration: the ways to other switches and carriers, and who may come in by them.
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import * as v from 'valibot';
import { settingEntries } from './dn-settings.ts';
import { type Finding, flag, isTable, oneOf, text, within } from './toml-schema.ts';

/** How a call proves that it comes from a trunk. */
const INBOUND = ['address', 'credentials', 'registration'] as const;
const MOST_TRUNKS = 64;
const MOST_HOSTS = 16;
const MOST_PATTERNS = 256;

const HOST = 'expected an IP address, such as "192.0.2.10"';
const HOSTS = `${HOST}, one with a port, such as "192.0.2.10:5070", or a list of up to ${MOST_HOSTS}`;

/** An address, and a port when there is one: `192.0.2.1`, `192.0.2.1:5070`, `2001:db8::1`, `[2001:db8::1]:5070`. */
export function readTrunkHost(written: string): { host: string; port: number | undefined } | undefined {
  if (isIP(written) !== 0) return { host: written, port: undefined };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(written);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isIP(host) !== 0 && port >= 1 && port <= 65535 ? { host, port } : undefined;
}

const isHost = (written: string) => readTrunkHost(written) !== undefined;

/** One or several, a list in the end. */
const hosts = v.pipe(
  v.union(
    [
      v.pipe(v.string(HOST), v.check(isHost, HOST)),
      v.pipe(
        v.array(v.pipe(v.string(HOST), v.check(isHost, HOST)), HOSTS),
        v.minLength(1, HOSTS),
        v.maxLength(MOST_HOSTS, HOSTS),
      ),
    ],
    HOSTS,
  ),
  v.transform((value): string[] => (Array.isArray(value) ? value : [value])),
);

const PATTERNS = 'expected a pattern of numbers, such as "+49*", or a list of them';
/** What a pattern is made of; ranges are looked at by who reads them (grec-strategy.5). */
const pattern = v.pipe(
  v.string(PATTERNS),
  v.regex(/^(?:[0-9A-Za-z+*#_.?-]|\\[0-9A-Za-z+*#_.?-]){1,64}$/, PATTERNS),
);
const patterns = v.optional(
  v.pipe(
    v.union(
      [pattern, v.pipe(v.array(pattern, PATTERNS), v.minLength(1, PATTERNS), v.maxLength(MOST_PATTERNS))],
      PATTERNS,
    ),
    v.transform((value): string[] => (Array.isArray(value) ? value : [value])),
  ),
  '*',
);

const NUMBER = 'expected a number: 1 to 32 of digits, letters and + * # _ . -';
const USERNAME = 'expected a user name of 1 to 128 printable characters without spaces, quotes and @';
const DOMAIN = 'expected the name of a domain, such as "sip.example.net", or an IP address';

const trunkTable = v.strictObject({
  name: v.pipe(text('the name of the trunk'), v.maxLength(64, 'expected a name of 64 characters at most')),
  host: hosts,
  /** Of the hosts that name none. */
  port: v.optional(within(1, 65535, 'a port')),
  transport: v.optional(oneOf(['udp', 'tcp', 'tls']), 'udp'),
  'tls-name': v.optional(text('the name in its certificate')),
  domain: v.optional(v.pipe(v.string(DOMAIN), v.regex(/^[A-Za-z0-9.:[\]-]{1,253}$/, DOMAIN))),
  username: v.optional(v.pipe(v.string(USERNAME), v.regex(/^[!#-;=?A-Z[\]^-~]{1,128}$/, USERNAME))),
  'password-file': v.optional(text('the path of a file')),
  register: v.optional(flag, false),
  'register-expires': v.optional(within(60, 86400, 'a whole number of seconds'), 3600),
  inbound: v.optional(v.array(oneOf(INBOUND), 'expected a list')),
  'from-number': v.optional(v.pipe(v.string(NUMBER), v.regex(/^[0-9A-Za-z+*#_.-]{1,32}$/, NUMBER))),
  'numbers-in': patterns,
  'numbers-out': patterns,
  timeout: v.optional(within(1, 32, 'a whole number of seconds'), 5),
  qualify: v.optional(within(0, 3600, 'a whole number of seconds'), 0),
  'calls-per-second': v.optional(within(0, 10_000, 'a whole number'), 0),
  record: v.optional(flag, false),
  srtp: v.optional(settingEntries.srtp, 'pass'),
});

const trunk = v.pipe(
  trunkTable,
  v.transform((values) => ({ ...values, port: values.port ?? (values.transport === 'tls' ? 5061 : 5060) })),
);

export const trunks = v.optional(
  v.pipe(
    v.array(trunk, 'expected [[trunk]] tables'),
    v.maxLength(MOST_TRUNKS, `expected ${MOST_TRUNKS} [[trunk]] tables at most`),
  ),
  [],
);

export type TrunkConfig = v.InferOutput<typeof trunk>;

/** Password files by absolute paths: the printed configuration means the same wherever it lies. */
export function placeTrunkFiles(list: readonly TrunkConfig[], directory: string): TrunkConfig[] {
  return list.map((one) => {
    const file = one['password-file'];
    return file === undefined ? one : { ...one, 'password-file': resolve(directory, file) };
  });
}

/** How calls from a trunk are known: by its addresses, and when we register there, by what we have registered. */
export function inboundOf({ inbound, register }: TrunkConfig): readonly (typeof INBOUND)[number][] {
  return inbound ?? (register ? ['address', 'registration'] : ['address']);
}

/** What no schema of a single trunk sees: names used twice, and keys that need each other. */
export function findTrunkMistakes(raw: unknown): Finding[] {
  const list: unknown = isTable(raw) ? raw['trunk'] : undefined;
  if (!Array.isArray(list)) return [];
  const seen = { name: new Set<unknown>(), username: new Set<unknown>() };
  return list.flatMap((one: unknown, index) => {
    if (!isTable(one)) return [];
    const say = (key: string, message: string): Finding => ({ path: ['trunk', index, key], message });
    return [...findRepeated(one, seen, say), ...findMissing(one, say)];
  });
}

type Say = (key: string, message: string) => Finding;

function findRepeated(
  one: Record<string, unknown>,
  seen: Record<'name' | 'username', Set<unknown>>,
  say: Say,
): Finding[] {
  const { name, username, inbound } = one;
  const found: Finding[] = [];
  if (name !== undefined && seen.name.has(name))
    found.push(say('name', `another trunk has this name: ${name}`));
  seen.name.add(name);
  if (!Array.isArray(inbound) || !inbound.includes('credentials') || username === undefined) return found;
  if (seen.username.has(username))
    found.push(say('username', 'another trunk is known by the credentials of this user'));
  seen.username.add(username);
  return found;
}

function findMissing(one: Record<string, unknown>, say: Say): Finding[] {
  const { username, register, inbound } = one;
  const found: Finding[] = [];
  const isIn = (way: string) => Array.isArray(inbound) && inbound.includes(way);
  if (username !== undefined && one['password-file'] === undefined)
    found.push(say('username', 'expected a password-file beside it'));
  if (one['password-file'] !== undefined && username === undefined)
    found.push(say('password-file', 'expected a username beside it'));
  if (register === true && username === undefined)
    found.push(say('register', 'expected a username to register'));
  if (isIn('credentials') && username === undefined)
    found.push(say('inbound', 'expected a username whose credentials are to be shown'));
  if (isIn('registration') && register !== true)
    found.push(say('inbound', 'expected register = true: who calls is known by what was registered'));
  return found;
}
