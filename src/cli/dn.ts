// `grec dn`: the directory numbers of the switch, through the control socket of grec-sipd.
import { askDaemon, socketOf } from '../control.ts';
import { article, type DnType, hasPhone, SETTING_NAMES, type SettingDefaults } from '../dn-settings.ts';
import { GrecError } from '../errors.ts';
import { type CliContext, quote } from './context.ts';
import { type DnPasswordOptions, makePassword, readPassword } from './dn-password.ts';
import { type AskedSettings, readSettings } from './dn-words.ts';
import { EXIT } from './exit-codes.ts';
import { renderPairs, roughDuration } from './table.ts';

export type { DnPasswordOptions } from './dn-password.ts';

export interface DnChangeOptions extends DnPasswordOptions {
  type?: DnType;
}

export type DnListOptions = Record<string, never>;

/** A DN as grec-sipd answers it; the settings beside `settings` are those that hold for its next call. */
export interface Dn extends SettingDefaults {
  number: string;
  type: DnType;
  name: string | null;
  /** What is said of the DN itself; null: nothing, so that it is inherited. */
  settings: AskedSettings;
  /** Who is logged in on it. */
  agent: string | null;
  /** Where this agent is logged in. */
  loggedInOn: string | null;
  hasPassword: boolean;
  /** The algorithms for which its password has been hashed. */
  digest?: string[];
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
  /** Null when the switch has not asked it. */
  reachable?: boolean | null;
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
  options: DnChangeOptions,
): Promise<number> {
  const { type = 'extension' } = options;
  const settings = readSettings(words);
  const given = await readPassword(context, number, options);
  const present = await findDn(context, number);
  if (present !== undefined) refuseOther(context, present, options.type, settings);
  if (present !== undefined && given === undefined) {
    return report(context, { dn: present, created: false, changed: false }, undefined);
  }
  const made = given === undefined && hasPhone(type) ? makePassword() : undefined;
  const change = await putDn(context, number, { create: true, type, password: given ?? made, settings });
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
  options: DnChangeOptions,
): Promise<number> {
  const { type } = options;
  const settings = readSettings(words);
  const given = await readPassword(context, number, options);
  const isPassword = given !== undefined || options.newPassword === true;
  if (words.length === 0 && type === undefined && !isPassword) {
    throw new GrecError('USAGE', `nothing to set on ${number}`, {
      hint: 'name a setting, such as record=true, or give --type or a password option',
    });
  }
  const made = options.newPassword === true ? makePassword() : undefined;
  const change = await putDn(context, number, { create: false, type, password: given ?? made, settings });
  return report(context, change, made);
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
      ['NUMBER', 'TYPE', 'RECORD', 'CALLS', 'AGENT', 'REACHED AT', 'NAME'],
      dns.map((dn) => [
        dn.number,
        dn.type,
        dn.type === 'routing-point' ? '-' : dn.record ? 'yes' : 'no',
        String(dn.calls),
        dn.agent ?? '-',
        showPlaces(dn),
        dn.name ?? '',
      ]),
      ['left', 'left', 'left', 'right'],
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
  const common: [string, string][] = [
    ['number', dn.number],
    ['type', dn.type],
    ['name', dn.name ?? '-'],
  ];
  if (dn.type === 'routing-point')
    return renderPairs([...common, ['calls to it', 'as the routing strategy says, else refused']]);
  return renderPairs([
    ...common,
    ['record', dn.record ? `yes, every call${inherited(dn, 'record')}` : `no${inherited(dn, 'record')}`],
    ...(['record-consult-calls', 'mandatory'] as const).map((name): [string, string] => [
      name,
      `${dn[name] ? 'yes' : 'no'}${inherited(dn, name)}`,
    ]),
    ...(['recording-filename', 'retention', 'anchor', 'srtp'] as const).map((name): [string, string] => [
      name,
      `${dn[name] ?? '-'}${inherited(dn, name)}`,
    ]),
    ...(dn.type === 'agent-login' ? describeAgent(dn) : describePhone(dn)),
  ]);
}

/** Where a value comes from that the DN itself does not say. */
function inherited({ settings, agent }: Dn, name: (typeof SETTING_NAMES)[number]): string {
  if (settings[name] !== null && agent === null) return '';
  return agent === null ? ' (by default)' : ` (with agent ${agent} logged in)`;
}

function describeAgent({ loggedInOn }: Dn): [string, string][] {
  return [['logged in', loggedInOn === null ? 'no' : `on DN ${loggedInOn}`]];
}

function describePhone(dn: Dn): [string, string][] {
  const registrations = dn.registrations.map((registration): [string, string] => [
    'registered',
    `${showPlace(registration)}, ${registration.userAgent ?? 'unknown phone'}, for another ${roughDuration(registration.expiresInS * 1000)}`,
  ]);
  return [
    ['agent', dn.agent ?? '-'],
    ['password', showPassword(dn)],
    ['calls', String(dn.calls)],
    ...(registrations.length === 0 ? ([['registered', 'no']] as [string, string][]) : registrations),
  ];
}

function showPlaces({ type, loggedInOn, registrations }: Dn): string {
  if (type === 'agent-login') return loggedInOn === null ? '-' : `DN ${loggedInOn}`;
  return registrations.map((registration) => showPlace(registration)).join(', ') || '-';
}

function showPassword({ hasPassword, digest }: Dn): string {
  if (!hasPassword) return 'none: it cannot register';
  if (digest === undefined || digest.length > 1) return 'set';
  if (digest.length === 0) return 'set for another [sip] realm: it cannot register until it is set again';
  return `set, for ${digest.join()} alone: setting it again adds the others`;
}

function showPlace({ transport, address, reachable }: Registration): string {
  return `${transport.toLowerCase()}:${address}${reachable === false ? ' (unreachable)' : ''}`;
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
  const recorded = dn.type === 'routing-point' ? [] : [dn.record ? 'recorded' : 'not recorded'];
  const kind = dn.type === 'extension' ? [] : [dn.type];
  const said = [...kind, ...recorded, ...(dn.name ? [dn.name] : [])];
  context.print(`${dn.number} ${done}: ${said.join(', ')}`);
  if (password !== undefined) context.print(`password ${password}`);
  if (password !== undefined) context.note('  the password is shown this once: only its hash is kept');
  return EXIT.ok;
}

function refuseOther(context: CliContext, present: Dn, type: DnType | undefined, asked: AskedSettings): void {
  const is: AskedSettings = { ...present.settings, name: present.name };
  const others = (['name', ...SETTING_NAMES] as const).filter(
    (key) => asked[key] !== undefined && asked[key] !== is[key] && !isInherited(present, key, asked),
  );
  const isOther = type !== undefined && type !== present.type;
  if (others.length === 0 && !isOther) return;
  const found = others.map((key) => showSetting(present, key));
  const kind = isOther ? [`as ${article(present.type)}`] : [];
  const words = others.map((key) => quote(`${key}=${asked[key] ?? ''}`));
  const change = [...(isOther ? [`--type ${type}`] : []), ...words].join(' ');
  throw new GrecError(
    'DN_EXISTS',
    `${present.number} exists already, ${[...kind, ...(found.length === 0 ? [] : [`with ${found.join(', ')}`])].join(' ')}`,
    { hint: `change it: ${context.command(`dn set ${present.number} ${change}`)}` },
  );
}

/** `record=false` of a DN that says nothing, and is not recorded: it is what was asked for. */
function isInherited(
  present: Dn,
  key: 'name' | (typeof SETTING_NAMES)[number],
  asked: AskedSettings,
): boolean {
  return (
    key !== 'name' && present.settings[key] === null && present.agent === null && present[key] === asked[key]
  );
}

function showSetting(present: Dn, key: 'name' | (typeof SETTING_NAMES)[number]): string {
  const value = key === 'name' ? present.name : (present.settings[key] ?? present[key]);
  return value === null || value === undefined ? `no ${key}` : `${key}=${value}`;
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
  body: { create: boolean; type: DnType | undefined; password: string | undefined; settings: AskedSettings },
): Promise<DnChange> {
  return askSwitch<DnChange>(context, 'PUT', pathOf(number), body);
}

function pathOf(number: string): string {
  return `/dns/${encodeURIComponent(number)}`;
}

/** One question to grec-sipd. */
export function askSwitch<T>(
  context: CliContext,
  method: 'GET' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T> {
  return askDaemon<T>('grec-sipd', socketOf(context.config, 'grec-sipd'), method, path, body);
}
