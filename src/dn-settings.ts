// What can be set on a DN: one schema for the control socket, for the defaults of the configuration and for files of DNs.
import * as v from 'valibot';
import { nameTemplateProblem } from './recording-name.ts';
import { flag, oneOf } from './toml-schema.ts';

/** The kinds of DN, as Genesys has them. Trunks are configured apart. */
export const DN_TYPES = ['extension', 'acd-position', 'agent-login', 'routing-point'] as const;
export type DnType = (typeof DN_TYPES)[number];

/** When media runs through the media server: while it is recorded, or in every call, from its set-up to its end. */
export const ANCHORS = ['recording', 'always'] as const;

/**
 * What a party is offered of SRTP: what the other one offers (`pass`), plain RTP, plain RTP with keys, which leaves it the choice
 * (RFC 8643), or nothing else than SRTP.
 */
export const SRTP_WORDS = ['pass', 'off', 'offer', 'require'] as const;
export type SrtpWord = (typeof SRTP_WORDS)[number];

/** The kinds at which a phone registers. */
export function hasPhone(type: DnType): boolean {
  return type === 'extension' || type === 'acd-position';
}

const RETENTION = 'expected the name of a retention class: 1 to 32 of a-z, 0-9 and -';

const template = v.pipe(
  v.string('expected a name'),
  v.check(
    (text) => nameTemplateProblem(text) === undefined,
    ({ input }) => nameTemplateProblem(input) ?? 'expected a name',
  ),
);

/** Every setting that is inherited: by a DN from the defaults, by a call from the agent login and the DN. */
export const settingEntries = {
  record: flag,
  'record-consult-calls': flag,
  mandatory: flag,
  'recording-filename': template,
  retention: v.pipe(v.string(RETENTION), v.regex(/^[a-z0-9-]{1,32}$/, RETENTION)),
  anchor: oneOf(ANCHORS),
  srtp: oneOf(SRTP_WORDS),
};

export type SettingName = keyof typeof settingEntries;
export const SETTING_NAMES = Object.keys(settingEntries) as SettingName[];

/** One that is absent is not said here. */
export type Settings = { [Name in SettingName]?: v.InferOutput<(typeof settingEntries)[Name]> | undefined };

/** `[switch.defaults]`: what holds where neither the DN nor the agent login says anything. */
export const defaultEntries = {
  record: v.optional(settingEntries.record, false),
  'record-consult-calls': v.optional(settingEntries['record-consult-calls'], true),
  mandatory: v.optional(settingEntries.mandatory, false),
  'recording-filename': v.optional(settingEntries['recording-filename']),
  retention: v.optional(settingEntries.retention),
  anchor: v.optional(settingEntries.anchor, 'recording'),
  srtp: v.optional(settingEntries.srtp, 'pass'),
};
const defaultsSchema = v.strictObject(defaultEntries);
export type SettingDefaults = v.InferOutput<typeof defaultsSchema>;
export const BUILT_IN_DEFAULTS: SettingDefaults = v.parse(defaultsSchema, {});

const LONGEST_NAME = 64;
const NAME = `expected a name of ${LONGEST_NAME} printable characters at most`;
/** What is shown of a DN to the other party. */
export const displayName = v.pipe(
  v.string(NAME),
  v.maxLength(LONGEST_NAME, NAME),
  v.check((text) => !/\p{Cc}/u.test(text), NAME),
);

const LONGEST_PASSWORD = 128;
const PASSWORD = `expected a password of 1 to ${LONGEST_PASSWORD} characters`;
export const password = v.pipe(
  v.string(PASSWORD),
  v.minLength(1, PASSWORD),
  v.maxLength(LONGEST_PASSWORD, PASSWORD),
);

/** Why a DN of this kind cannot have what is set, or undefined when it can. */
export function settingsProblem(type: DnType, settings: Settings, hasPassword: boolean): string | undefined {
  if (hasPassword && !hasPhone(type)) return `no phone registers as ${article(type)}: it takes no password`;
  const [first] = SETTING_NAMES.filter((name) => settings[name] !== undefined && settings[name] !== null);
  if (type !== 'routing-point' || first === undefined) return undefined;
  return `a routing-point takes a name alone, and ${first} is set`;
}

/** `an extension`, `a routing-point`. */
export function article(type: DnType): string {
  return `${/^[ae]/.test(type) ? 'an' : 'a'} ${type}`;
}
