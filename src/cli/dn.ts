// `grec dn`: the directory numbers of the switch, through the control socket of grec-sipd.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { askDaemon, socketOf } from '../control.ts';
import { GrecError, messageOf } from '../errors.ts';
import { type CliContext, quote } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { renderPairs, roughDuration } from './table.ts';

export interface DnPasswordOptions {
  passwordStdin?: boolean;
  passwordFile?: string;
  newPassword?: boolean;
}

export type DnListOptions = Record<string, never>;

/** A DN as grec-sipd answers it. */
interface Dn {
  number: string;
  record: boolean;
  name: string | null;
  hasPassword: boolean;
  registrations: Registration[];
  /** Calls under way. */
  calls: number;
}

interface Registration {
  contact: string;
  transport: string;
  address: string;
  expiresInS: number;
  userAgent: string | null;
}

interface DnSettings {
  record?: boolean;
  /** Null takes the name away. */
  name?: string | null;
}

interface DnChange {
  dn: Dn;
  created: boolean;
  changed: boolean;
}

/**
 * Makes a DN. One that exists already with these settings is left as it is; one with other settings is an error. A
 * password that is given is set in either case: the switch keeps only hashes, so there is nothing to compare.
 * @throws GrecError USAGE, DN_INVALID, DN_EXISTS, DAEMON_NOT_RUNNING …
 */
export async function dnAdd(
  context: CliContext,
  number: string,
  words: string[],
  options: DnPasswordOptions,
): Promise<number> {
  const settings = readSettings(words);
  const given = await readPassword(context, options);
  const present = await findDn(context, number);
  if (present !== undefined) refuseOther(context, present, settings);
  if (present !== undefined && given === undefined) {
    return report(context, { dn: present, created: false, changed: false }, undefined);
  }
  const made = given === undefined ? makePassword() : undefined;
  const change = await putDn(context, number, { create: true, password: given ?? made, settings });
  // Somebody else may have made it in between: then the switch has this password now, and it must be shown.
  return report(context, change, made);
}

/**
 * Changes a DN that exists.
 * @throws GrecError USAGE, DN_UNKNOWN, DN_INVALID, DAEMON_NOT_RUNNING …
 */
export async function dnSet(
  context: CliContext,
  number: string,
  words: string[],
  options: DnPasswordOptions,
): Promise<number> {
  const settings = readSettings(words);
  const given = await readPassword(context, options);
  if (words.length === 0 && given === undefined && options.newPassword !== true) {
    throw new GrecError('USAGE', `nothing to set on ${number}`, {
      hint: 'name a setting, such as record=true, or give a password option',
    });
  }
  const made = options.newPassword === true ? makePassword() : undefined;
  return report(
    context,
    await putDn(context, number, { create: false, password: given ?? made, settings }),
    made,
  );
}

export async function dnList(context: CliContext): Promise<number> {
  const { dns } = await askSwitch<{ dns: Dn[] }>(context, 'GET', '/dns');
  if (context.json) {
    context.printJson(dns);
    return EXIT.ok;
  }
  if (dns.length === 0)
    context.note(`no number exists; make one: ${context.command('dn add 7001 record=true')}`);
  else
    context.printTable(
      ['NUMBER', 'RECORD', 'CALLS', 'REGISTERED AT', 'NAME'],
      dns.map((dn) => [
        dn.number,
        dn.record ? 'yes' : 'no',
        String(dn.calls),
        dn.registrations.map((registration) => showPlace(registration)).join(', ') || '-',
        dn.name ?? '',
      ]),
      ['left', 'left', 'right'],
    );
  return EXIT.ok;
}

/** @throws GrecError DN_UNKNOWN, DAEMON_NOT_RUNNING … */
export async function dnShow(context: CliContext, number: string): Promise<number> {
  const dn = await askSwitch<Dn>(context, 'GET', pathOf(number));
  if (context.json) context.printJson(dn);
  else context.print(...describeDn(dn));
  return EXIT.ok;
}

export async function dnRemove(context: CliContext, number: string): Promise<number> {
  const { removed } = await askSwitch<{ removed: boolean }>(context, 'DELETE', pathOf(number));
  if (context.json) context.printJson({ number, removed });
  else context.print(removed ? `${number} removed` : `${number} does not exist, nothing to remove`);
  return EXIT.ok;
}

function describeDn(dn: Dn): string[] {
  const registrations = dn.registrations.map((registration): [string, string] => [
    'registered',
    `${showPlace(registration)}, ${registration.userAgent ?? 'unknown phone'}, for another ${roughDuration(registration.expiresInS * 1000)}`,
  ]);
  return renderPairs([
    ['number', dn.number],
    ['name', dn.name ?? '-'],
    ['record', dn.record ? 'yes, every call' : 'no'],
    ['password', dn.hasPassword ? 'set' : 'none: it cannot register'],
    ['calls', String(dn.calls)],
    ...(registrations.length === 0 ? ([['registered', 'no']] as [string, string][]) : registrations),
  ]);
}

function showPlace({ transport, address }: Registration): string {
  return `${transport.toLowerCase()}:${address}`;
}

function report(
  context: CliContext,
  { dn, created, changed }: DnChange,
  password: string | undefined,
): number {
  if (context.json) {
    context.printJson({ dn, created, changed, ...(password === undefined ? {} : { password }) });
    return EXIT.ok;
  }
  const done = created ? 'added' : changed || password !== undefined ? 'changed' : 'unchanged';
  context.print(
    `${dn.number} ${done}: ${dn.record ? 'recorded' : 'not recorded'}${dn.name ? `, ${dn.name}` : ''}`,
  );
  if (password !== undefined) context.print(`password ${password}`);
  if (password !== undefined) context.note('  the password is shown this once: only its hash is kept');
  return EXIT.ok;
}

function refuseOther(context: CliContext, present: Dn, settings: DnSettings): void {
  const others = (['record', 'name'] as const).filter(
    (key) => settings[key] !== undefined && settings[key] !== present[key],
  );
  if (others.length === 0) return;
  const found = others
    .map((key) => (present[key] === null ? `no ${key}` : `${key}=${present[key]}`))
    .join(', ');
  throw new GrecError('DN_EXISTS', `${present.number} exists already, with ${found}`, {
    hint: `change it: ${context.command(`dn set ${present.number} ${others.map((key) => quote(`${key}=${settings[key] ?? ''}`)).join(' ')}`)}`,
  });
}

/** @throws GrecError USAGE */
export function readSettings(words: readonly string[]): DnSettings {
  const settings: DnSettings = {};
  for (const word of words) {
    const [, key, value = ''] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    if (key === 'record') settings.record = readFlag(word, value);
    else if (key === 'name') settings.name = value === '' ? null : value;
    else
      throw new GrecError('USAGE', `${JSON.stringify(word)} is no setting of a DN`, {
        hint:
          key === 'password'
            ? 'a password on the command line is seen by others: use --password-stdin or --password-file'
            : 'settings: record=true, record=false, name=TEXT',
      });
  }
  return settings;
}

function readFlag(word: string, value: string): boolean {
  if (['true', 'yes', 'on'].includes(value)) return true;
  if (['false', 'no', 'off'].includes(value)) return false;
  throw new GrecError('USAGE', `${JSON.stringify(word)}: expected record=true or record=false`);
}

async function readPassword(context: CliContext, options: DnPasswordOptions): Promise<string | undefined> {
  const ways = [options.passwordStdin, options.passwordFile !== undefined, options.newPassword];
  if (ways.filter(Boolean).length > 1)
    throw new GrecError('USAGE', 'give one of --password-stdin, --password-file and --new-password');
  if (options.passwordFile !== undefined) return firstLine(readPasswordFile(options.passwordFile));
  return options.passwordStdin === true ? firstLine(await readFirstLine(context.stdin)) : undefined;
}

function readPasswordFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new GrecError('USAGE', `cannot read the password file: ${messageOf(thrown)}`, { cause: thrown });
  }
}

async function readFirstLine(stdin: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stdin })) return line;
  return '';
}

function firstLine(text: string): string {
  const line = text.split(/\r?\n/, 1)[0] ?? '';
  if (line === '') throw new GrecError('USAGE', 'the password is empty');
  return line;
}

/** Letters and digits that are not mistaken for one another when typed into a phone. */
const PASSWORD_ALPHABET = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
/** 16 characters of 57: over 93 bits. */
const PASSWORD_LENGTH = 16;

function makePassword(): string {
  const pick = () => PASSWORD_ALPHABET[randomInt(PASSWORD_ALPHABET.length)];
  return Array.from({ length: PASSWORD_LENGTH }, pick).join('');
}

async function findDn(context: CliContext, number: string): Promise<Dn | undefined> {
  try {
    return await askSwitch<Dn>(context, 'GET', pathOf(number));
  } catch (thrown) {
    if (thrown instanceof GrecError && thrown.code === 'DN_UNKNOWN') return undefined;
    throw thrown;
  }
}

function putDn(
  context: CliContext,
  number: string,
  body: { create: boolean; password: string | undefined; settings: DnSettings },
): Promise<DnChange> {
  return askSwitch<DnChange>(context, 'PUT', pathOf(number), body);
}

function pathOf(number: string): string {
  return `/dns/${encodeURIComponent(number)}`;
}

function askSwitch<T>(
  context: CliContext,
  method: 'GET' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T> {
  return askDaemon<T>('grec-sipd', socketOf(context.config, 'grec-sipd'), method, path, body);
}
