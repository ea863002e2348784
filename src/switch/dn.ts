// A DN (directory number) as the switch knows it, and what may be said of it.
import * as v from 'valibot';
import {
  article,
  DN_TYPES,
  type DnType,
  displayName,
  password,
  SETTING_NAMES,
  type Settings,
  settingEntries,
  settingsProblem,
} from '../dn-settings.ts';
import { GrecError } from '../errors.ts';
import { NUMBER } from './strategy/pattern.ts';

/** The settings of a DN; the names are those of `grec dn set`. One that is absent is inherited. */
export interface DnSettings extends Settings {
  /** Display name, shown to the called party and in recordings; null for none. */
  name: string | null;
}

export interface Dn extends DnSettings {
  number: string;
  /** An extension when it is left out. */
  type?: DnType;
  /** MD5 of `number:realm:password` (RFC 7616 section 3.4.2); null: nobody can register. */
  ha1: string | null;
  /** The same with SHA-256 (RFC 8760); left out for a password that was set before there was one. */
  ha1Sha256?: string;
  realm: string | null;
}

export function typeOf({ type }: Pick<Dn, 'type'>): DnType {
  return type ?? 'extension';
}

/** @throws GrecError DN_INVALID unless `number` can be a DN: 1 to 32 of digits, letters and `+ * # _ . -` */
export function checkNumber(number: string): string {
  if (NUMBER.test(number)) return number;
  throw new GrecError('DN_INVALID', `"${number}" cannot be a DN`, {
    hint: 'a DN has 1 to 32 characters: digits, letters and + * # _ . -',
  });
}

/** Null takes a setting away, so that it is inherited. */
const orNull = <const T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema));

const changeEntries = {
  type: v.optional(v.picklist(DN_TYPES)),
  password: v.optional(password),
  settings: v.optional(
    v.strictObject({
      name: orNull(displayName),
      record: orNull(settingEntries.record),
      'record-consult-calls': orNull(settingEntries['record-consult-calls']),
      mandatory: orNull(settingEntries.mandatory),
      'recording-filename': orNull(settingEntries['recording-filename']),
      retention: orNull(settingEntries.retention),
      anchor: orNull(settingEntries.anchor),
      srtp: orNull(settingEntries.srtp),
    }),
    {},
  ),
};
const changeSchema = v.strictObject({ create: v.optional(v.boolean(), false), ...changeEntries });
const describedSchema = v.strictObject({ number: v.string(), ...changeEntries });
const importSchema = v.strictObject({ dns: v.pipe(v.array(describedSchema), v.maxLength(10_000)) });

/** What `PUT /dns/:number` may carry. */
export type DnChange = v.InferOutput<typeof changeSchema>;
/** A DN in full, as `PUT /dns` takes it; only its password may be left as it is. */
export type DescribedDn = v.InferOutput<typeof describedSchema>;

/** @throws GrecError DN_INVALID, naming each member that is wrong (never its value: it may be a password) */
export function readDnChange(body: unknown): DnChange {
  return read(changeSchema, body ?? {});
}

/** @throws GrecError DN_INVALID, naming each member that is wrong */
export function readDnImport(body: unknown): DescribedDn[] {
  const { dns } = read(importSchema, body ?? {});
  for (const { number } of dns) checkNumber(number);
  return dns;
}

function read<const S extends v.GenericSchema>(schema: S, body: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, body);
  if (result.success) return result.output;
  const wrong = result.issues.map((issue) => `${v.getDotPath(issue) ?? 'the body'}${expectation(issue)}`);
  throw new GrecError('DN_INVALID', `these DN settings are not acceptable: ${wrong.join(', ')}`, {
    hint: 'man grec-dn lists every setting and what it accepts',
  });
}

function expectation({ message, type }: v.BaseIssue<unknown>): string {
  if (message.startsWith('expected')) return ` (${message})`;
  return type === 'strict_object' ? ' (unknown)' : '';
}

/** What is kept of a password. */
export type Secret = Pick<Dn, 'ha1' | 'ha1Sha256' | 'realm'>;

/** The DN after a change. What makes it a DN of another realm's password goes with the password. */
export function changedDn(
  before: Dn | undefined,
  number: string,
  { type, settings }: Pick<DnChange, 'type' | 'settings'>,
  secret: Secret | undefined,
): Dn {
  const { ha1 = null, realm = null, ha1Sha256 } = secret ?? before ?? {};
  const name = settings.name === undefined ? (before?.name ?? null) : settings.name;
  const after: Dn = {
    number,
    type: type ?? typeOf(before ?? {}),
    name,
    ha1,
    realm,
    ...(ha1Sha256 && { ha1Sha256 }),
  };
  for (const setting of SETTING_NAMES) {
    const value = settings[setting] === undefined ? before?.[setting] : settings[setting];
    if (value !== undefined && value !== null) Object.assign(after, { [setting]: value });
  }
  checkDn(after);
  return after;
}

/** A DN in full: what is left out of its description is not said. */
export function describedDn(
  before: Dn | undefined,
  { number, type = 'extension', settings }: DescribedDn,
  secret: Secret | undefined,
): Dn {
  const { ha1 = null, realm = null, ha1Sha256 } = before ?? {};
  const bare: Dn = { number, type, name: null, ha1, realm, ...(ha1Sha256 && { ha1Sha256 }) };
  return changedDn(bare, number, { type, settings }, secret);
}

/** @throws GrecError DN_INVALID */
function checkDn(dn: Dn): void {
  const type = typeOf(dn);
  const problem = settingsProblem(type, dn, dn.ha1 !== null);
  if (problem === undefined) return;
  throw new GrecError('DN_INVALID', `DN ${dn.number} cannot be ${article(type)}: ${problem}`, {
    hint:
      dn.ha1 === null
        ? `take the setting away: \`grec dn set ${dn.number} SETTING=\``
        : 'remove it and add it again as what it is to be',
  });
}
