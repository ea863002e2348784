// [[storage]]: the storage classes, places beside the archive that get a copy of recordings.
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { readPeriod } from './config-retention.ts';
import { settingEntries } from './dn-settings.ts';
import { type Finding, isTable, oneOf, text, within } from './toml-schema.ts';

const TYPES = ['directory', 'webdav', 's3'] as const;
const MOST_STORAGES = 16;
const MOST_ENTRIES = 256;
/** What systemd has placed by LoadCredential is named so. */
const CREDENTIAL = /^credential:([\w.-]{1,255})$/;

const NAME = 'expected a name: 1 to 32 of a-z, 0-9 and -';
const URL_WORDS =
  'expected an address that begins with https:// or http://, without user, query and fragment';
const BUCKET = 'expected the name of a bucket: 3 to 255 of letters, digits and . _ -';
const PREFIX = 'expected names of letters, digits and . _ -, with / between them';
const CLASSES = `expected a list of up to ${MOST_ENTRIES} retention classes`;
const DNS = `expected a list of up to ${MOST_ENTRIES} DNs, such as "7001", or "70*"`;
const PERIOD = 'expected a time, such as "40d": a number of h, d, w, mo (months) or y (years)';
const USER = 'expected a user name of 1 to 128 printable characters without ":"';
const KEY_ID = 'expected the id of an access key: 1 to 128 printable characters without spaces, commas and /';

/** No part of it leads anywhere else. */
const isPrefix = (written: string) =>
  written.split('/').every((part) => /^[\w.-]{1,128}$/.test(part) && !/^\.\.?$/.test(part));

const storageTable = v.strictObject({
  name: v.pipe(v.string(NAME), v.regex(/^[a-z0-9-]{1,32}$/, NAME)),
  type: oneOf(TYPES),
  path: v.optional(text('the path of a directory')),
  url: v.optional(v.pipe(v.string(URL_WORDS), v.check(isPlainAddress, URL_WORDS))),
  username: v.optional(v.pipe(v.string(USER), v.regex(/^[^:\p{Cc}]{1,128}$/u, USER))),
  'password-file': v.optional(text('the path of a file')),
  bucket: v.optional(v.pipe(v.string(BUCKET), v.regex(/^[A-Za-z0-9][\w.-]{2,254}$/, BUCKET))),
  prefix: v.optional(v.pipe(v.string(PREFIX), v.check(isPrefix, PREFIX))),
  region: v.optional(v.pipe(text('a region'), v.regex(/^[\w-]{1,64}$/, 'expected the name of a region'))),
  'access-key': v.optional(v.pipe(v.string(KEY_ID), v.regex(/^[!-+\-.0-~]{1,128}$/, KEY_ID))),
  'secret-key-file': v.optional(text('the path of a file')),
  addressing: v.optional(oneOf(['path', 'virtual-host'])),
  'part-size': v.optional(within(5, 5000, 'a whole number of MiB')),
  ca: v.optional(text('the path of certificates of authorities')),
  retention: v.optional(
    v.pipe(v.array(settingEntries.retention, CLASSES), v.maxLength(MOST_ENTRIES, CLASSES)),
  ),
  dn: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(DNS), v.regex(/^[\w+*#.-]{1,32}$/, DNS)), DNS),
      v.maxLength(MOST_ENTRIES, DNS),
    ),
  ),
  timeout: v.optional(within(1, 3600, 'a whole number of seconds'), 60),
  'retry-for': v.optional(
    v.pipe(
      v.string(PERIOD),
      v.check((written) => readPeriod(written) !== undefined, PERIOD),
    ),
    '40d',
  ),
});

const LIST = 'expected [[storage]] tables';
export const storages = v.optional(
  v.pipe(v.array(storageTable, LIST), v.maxLength(MOST_STORAGES, `expected ${MOST_STORAGES} tables at most`)),
  [],
);
export type StorageConfig = v.InferOutput<typeof storageTable>;

function isPlainAddress(address: string): boolean {
  const parsed = URL.parse(address);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return false;
  const { username, password } = parsed;
  return username === '' && password === '' && !/[?#]/.test(address);
}

/**
 * The files as absolute paths.
 * @param base the directory of the configuration
 * @param credentials the directory in which systemd places credentials, when it does
 */
export function placeStorageFiles(
  list: readonly StorageConfig[],
  base: string,
  credentials = '/run/credentials/grec-procd.service',
): StorageConfig[] {
  const place = (file: string) => {
    const name = CREDENTIAL.exec(file)?.[1];
    return name === undefined ? resolve(base, file) : join(credentials, name);
  };
  return list.map((one) => {
    const files = ['path', 'ca', 'password-file', 'secret-key-file'] as const;
    const placed = files.flatMap((key) => (one[key] === undefined ? [] : [[key, place(one[key])]]));
    return { ...one, ...Object.fromEntries(placed) };
  });
}

/** Which keys each type needs, and which it may have besides those of all. */
const KEYS: Record<(typeof TYPES)[number], { needs: string[]; may: string[] }> = {
  directory: { needs: ['path'], may: [] },
  webdav: { needs: ['url'], may: ['username', 'password-file', 'ca'] },
  s3: {
    needs: ['url', 'bucket', 'access-key', 'secret-key-file'],
    may: ['prefix', 'region', 'addressing', 'part-size', 'ca'],
  },
};
const OF_TYPES = new Set(Object.values(KEYS).flatMap(({ needs, may }) => [...needs, ...may]));

/** What no schema of a single key sees: names used twice, keys that belong to another type, a password without TLS. */
export function findStorageMistakes(raw: unknown): Finding[] {
  const list: unknown = isTable(raw) ? raw['storage'] : undefined;
  if (!Array.isArray(list)) return [];
  const seen = new Set<unknown>();
  return list.flatMap((one: unknown, index) => {
    if (!isTable(one)) return [];
    const say = (key: string, message: string): Finding => ({ path: ['storage', index, key], message });
    const { name } = one;
    const isTwice = name !== undefined && seen.has(name);
    seen.add(name);
    return [
      ...(isTwice ? [say('name', `another storage has this name: ${String(name)}`)] : []),
      ...findKeyMistakes(one, say),
    ];
  });
}

type Say = (key: string, message: string) => Finding;

function findKeyMistakes(one: Record<string, unknown>, say: Say): Finding[] {
  const type = TYPES.find((known) => known === one['type']);
  if (type === undefined) return [];
  const { needs, may } = KEYS[type];
  const missing = needs.filter((key) => one[key] === undefined);
  const strange = Object.keys(one).filter(
    (key) => OF_TYPES.has(key) && !needs.includes(key) && !may.includes(key),
  );
  return [
    ...missing.map((key) => say('type', `type = "${type}" needs ${key} beside it`)).slice(0, 1),
    ...strange.map((key) => say(key, `a storage of type "${type}" has no ${key}`)),
    ...findPasswordMistakes(one, say),
  ];
}

function findPasswordMistakes(one: Record<string, unknown>, say: Say): Finding[] {
  const { username, url } = one;
  const file = one['password-file'];
  if (username !== undefined && file === undefined)
    return [say('username', 'expected a password-file beside it')];
  if (file !== undefined && username === undefined)
    return [say('password-file', 'expected a username beside it')];
  if (username === undefined || typeof url !== 'string' || isPrivate(url)) return [];
  return [say('url', 'a password goes by https:// alone, unless the storage is on this machine')];
}

/** What is sent there nobody else hears. */
function isPrivate(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.protocol !== 'http:') return true;
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
