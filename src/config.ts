// The configuration: read once, from TOML, every mistake reported with file, line, key and accepted values.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { homedir, hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import {
  type HostPort,
  hostPort,
  ipAddress,
  ipv6Address,
  listenAddress,
  portRange,
} from './config-addresses.ts';
import { alarmsSection, findAlarmMistakes, placeAlarmSecret } from './config-alarms.ts';
import { type EncryptionFiles, encryptionSection, placeEncryptionFiles } from './config-encryption.ts';
import { findIndexMistakes, indexSection, placeModel } from './config-index.ts';
import { mediaSection } from './config-media.ts';
import { placeOthers, processingSection } from './config-processing.ts';
import { findRecordingMistakes, placeToneFile, recordingSection } from './config-recording.ts';
import { capturesKept, findRetentionMistakes, retentionClasses } from './config-retention.ts';
import { findStorageMistakes, placeStorageFiles, storages } from './config-storage.ts';
import { findTlsMistakes, placeTlsFiles, type TlsFiles, tlsSection } from './config-tls.ts';
import { findTrunkMistakes, placeTrunkFiles, trunks } from './config-trunk.ts';
import { findWebMistakes, placeWebFiles, type WebTlsFiles, webSection } from './config-web.ts';
import { defaultEntries } from './dn-settings.ts';
import { GrecError, messageOf, systemCode } from './errors.ts';
import { LOG_LEVELS } from './log-levels.ts';
import { type ConfigProblem, checkToml, invalidFile, oneOf, section, text, within } from './toml-schema.ts';

export type { HostPort, ListenAddress, PortRange } from './config-addresses.ts';
export type { StorageConfig } from './config-storage.ts';
export type { TrunkConfig } from './config-trunk.ts';
export type { ConfigProblem } from './toml-schema.ts';

const featureCode = v.pipe(
  v.string('expected a feature code, such as "*1"'),
  v.regex(/^[0-9*#A-D]{0,8}$/, 'expected up to 8 of 0-9 * # A-D, or "" for none'),
);

const DIGEST = 'expected a list of "SHA-256" and "MD5", in the order in which phones shall prefer them';
const digestAlgorithms = v.pipe(
  v.array(v.picklist(['SHA-256', 'MD5'], DIGEST), DIGEST),
  v.minLength(1, DIGEST),
  v.check((list) => new Set(list).size === list.length, DIGEST),
);

const written = v.strictObject({
  state: section({ directory: v.optional(text('a directory')) }),
  log: section({
    level: v.optional(oneOf(LOG_LEVELS), 'info'),
    format: v.optional(oneOf(['auto', 'json', 'readable']), 'auto'),
  }),
  control: section({ access: v.optional(oneOf(['owner', 'group']), 'owner') }),
  sip: section({
    listen: v.optional(
      v.pipe(
        v.array(listenAddress, 'expected a list of addresses'),
        v.minLength(1, 'expected at least one address'),
      ),
      ['udp:127.0.0.1:5060', 'tcp:127.0.0.1:5060'],
    ),
    realm: v.optional(text('a realm'), 'grec'),
    digest: v.optional(digestAlgorithms, ['MD5']),
    'ring-timeout': v.optional(within(5, 600, 'a whole number of seconds'), 180),
    qualify: v.optional(within(0, 3600, 'a whole number of seconds'), 0),
    'max-expires': v.optional(within(60, 86400, 'a whole number of seconds'), 3600),
    'session-expires': v.optional(within(90, 86400, 'a whole number of seconds'), 1800),
    'min-se': v.optional(within(90, 86400, 'a whole number of seconds'), 90),
    t1: v.optional(within(50, 5000, 'a whole number of milliseconds'), 500),
    tls: tlsSection,
    limits: section({
      calls: v.optional(within(1, 100_000, 'a whole number'), 5000),
      'calls-per-second': v.optional(within(0, 10_000, 'a whole number'), 20),
      registrations: v.optional(within(1, 1_000_000, 'a whole number'), 20_000),
      'registrations-per-dn': v.optional(within(1, 100, 'a whole number'), 10),
      'message-size': v.optional(within(4096, 262_144, 'a whole number of bytes'), 65_536),
      overload: v.optional(within(50, 100, 'a whole number of percent'), 98),
    }),
  }),
  trunk: trunks,
  switch: section({
    strategy: v.optional(text('the path of a strategy file')),
    'record-code': v.optional(featureCode, '*1'),
    'pause-code': v.optional(featureCode, ''),
    'agent-login-code': v.optional(featureCode, '*22'),
    'agent-logout-code': v.optional(featureCode, '*23'),
    defaults: section(defaultEntries),
  }),
  media: mediaSection,
  recording: recordingSection,
  processing: processingSection,
  index: indexSection,
  mediad: section({
    ng: v.optional(hostPort, '127.0.0.1:2223'),
    address: v.optional(ipAddress, '127.0.0.1'),
    'address-ipv6': v.optional(ipv6Address),
    ports: v.optional(portRange, '30000-39999'),
    'flush-interval': v.optional(within(10, 5000, 'a whole number of milliseconds'), 200),
    workers: v.optional(within(1, 64, 'a whole number')),
    engine: v.optional(oneOf(['auto', 'io_uring', 'epoll', 'dgram']), 'auto'),
    'spool-min-free': v.optional(within(0, 10_000_000, 'a whole number of megabytes'), 1000),
  }),
  archive: section({
    directory: v.optional(text('a directory')),
    'signing-key': v.optional(text('the path of a signing key')),
    captures: v.optional(capturesKept, '0d'),
    'failed-captures': v.optional(capturesKept, 'forever'),
  }),
  alarms: alarmsSection,
  encryption: encryptionSection,
  retention: retentionClasses,
  storage: storages,
  web: webSection,
  export: section({ ffmpeg: v.optional(text('the path of ffmpeg')) }),
});

/** With what follows from other values: the media server is the one configured here, unless others are named. */
const schema = v.pipe(
  written,
  v.transform((values) => ({
    ...values,
    media: { ...values.media, server: values.media.server ?? [reachable(values.mediad.ng)] },
  })),
);

/** Where a server that listens on `address` is reached from this machine: "any address" is reached on loopback. */
function reachable({ host, port }: HostPort): HostPort {
  if (!/^[0.:]+$/.test(host)) return { host, port };
  return { host: isIP(host) === 6 ? '::1' : '127.0.0.1', port };
}

/** The values of one configuration, all defaults filled in. Times carry their unit in `man grec.toml`. */
export type ConfigValues = v.InferOutput<typeof schema>;

/** Every directory and socket of one installation, as absolute paths. */
export interface Paths {
  state: string;
  run: string;
  spool: string;
  journal: string;
  audit: string;
  archive: string;
  /** The key that signs manifests; grec-procd makes it when it is missing. */
  signingKey: string;
  encryption: EncryptionFiles;
  catalog: string;
  /** What can be asked beyond the catalog; see src/index. */
  index: string;
  /** What was said in recordings. */
  transcripts: string;
  /** What recordings may be about; it need not exist. */
  topics: string;
  /** The model of the transcriber; undefined when it is the engine's own. */
  model: string | undefined;
  /** State directories of other switches, whose journals and spools are processed too. */
  others: string[];
  /** What rtpengine records; undefined when it is not the media server. */
  recordings: string | undefined;
  switchDb: string;
  /** The calls that are up. */
  callsDb: string;
  /** The routing strategy; it need not exist unless `[switch] strategy` names it. */
  strategy: string;
  /** Alarms that nobody has taken yet. */
  alarms: string;
  /** The secret that signs what the webhook gets; undefined when nothing does. */
  alarmSecret: string | undefined;
  /** Undefined when none is to be heard. */
  consentTone: string | undefined;
  /** Undefined when there is no certificate. */
  tls: TlsFiles | undefined;
  /** Users and tokens of Web Services. */
  webDb: string;
  /** Of Web Services; undefined when they have none. */
  webTls: WebTlsFiles | undefined;
}

export interface Config extends ConfigValues {
  /** The file the values came from, or undefined when there is none. */
  file: string | undefined;
  paths: Paths;
}

export interface ConfigSources {
  /** `--config FILE` of the command line. */
  file?: string | undefined;
  env?: NodeJS.ProcessEnv;
  uid?: number | undefined;
}

/**
 * Reads the configuration from the first of `--config`, `$GREC_CONFIG`, `$XDG_CONFIG_HOME/grec/grec.toml` (not for
 * root) and `/etc/grec/grec.toml`; without any file all defaults hold.
 * @throws GrecError CONFIG_UNREADABLE, CONFIG_INVALID (the message lists every mistake, one a line)
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const env = sources.env ?? process.env;
  const uid = 'uid' in sources ? sources.uid : process.getuid?.();
  const found = findFile(sources.file, env, uid);
  const values = found === undefined ? v.parse(schema, {}) : parseConfig(found.text, found.file);
  const base = found === undefined ? process.cwd() : dirname(found.file);
  const trunk = placeTrunkFiles(values.trunk, base);
  const storage = placeStorageFiles(values.storage, base, env.CREDENTIALS_DIRECTORY);
  return { ...values, trunk, storage, file: found?.file, paths: placePaths(values, found?.file, env, uid) };
}

/** @throws GrecError CONFIG_INVALID, with every mistake as `FILE:LINE: KEY: what is accepted` */
export function parseConfig(toml: string, file: string): ConfigValues {
  const { values, problems } = checkConfig(toml);
  if (values !== undefined) return values;
  throw invalidFile(file, problems, 'man grec.toml lists every key and what it accepts');
}

/** The values of a configuration text, or every mistake in it. */
export function checkConfig(toml: string): { values?: ConfigValues; problems: ConfigProblem[] } {
  return checkToml(schema, toml, (raw) => [
    ...findTlsMistakes(raw),
    ...findTrunkMistakes(raw),
    ...findRecordingMistakes(raw),
    ...findAlarmMistakes(raw),
    ...findIndexMistakes(raw),
    ...findRetentionMistakes(raw),
    ...findStorageMistakes(raw),
    ...findWebMistakes(raw),
  ]);
}

function findFile(named: string | undefined, env: NodeJS.ProcessEnv, uid: number | undefined) {
  const asked = named ?? (env.GREC_CONFIG || undefined);
  if (asked !== undefined) return { file: resolve(asked), text: readText(resolve(asked)) };
  const personal = uid === 0 ? [] : [join(xdg(env, 'XDG_CONFIG_HOME', '.config'), 'grec', 'grec.toml')];
  for (const file of [...personal, '/etc/grec/grec.toml']) {
    try {
      return { file, text: readFileSync(file, 'utf8') };
    } catch (thrown) {
      if (systemCode(thrown) !== 'ENOENT' && systemCode(thrown) !== 'ENOTDIR') throw unreadable(file, thrown);
    }
  }
  return undefined;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw unreadable(file, thrown);
  }
}

function unreadable(file: string, thrown: unknown): GrecError {
  return new GrecError('CONFIG_UNREADABLE', `cannot read the configuration ${file}: ${messageOf(thrown)}`, {
    hint: 'name a readable file with --config or GREC_CONFIG, or leave both out to run on defaults',
    cause: thrown,
  });
}

function xdg(env: NodeJS.ProcessEnv, name: string, fallback: string): string {
  const value = env[name];
  return value?.startsWith('/') ? value : join(env.HOME || home(), fallback);
}

/** A user whom the system does not know (a container's) has none; naming [state] directory is enough then. */
function home(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

function placePaths(
  values: ConfigValues,
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  uid: number | undefined,
): Paths {
  const base = file === undefined ? process.cwd() : dirname(file);
  const fallback = uid === 0 ? '/var/lib/grec' : join(xdg(env, 'XDG_STATE_HOME', '.local/state'), 'grec');
  const state = values.state.directory === undefined ? fallback : resolve(base, values.state.directory);
  const archive =
    values.archive.directory === undefined ? join(state, 'archive') : resolve(base, values.archive.directory);
  const key = values.archive['signing-key'];
  const signingKey = key === undefined ? join(state, 'signing-key.pem') : resolve(base, key);
  return {
    state,
    run: join(state, 'run'),
    spool: join(state, 'spool'),
    journal: join(state, 'journal'),
    audit: join(state, 'audit'),
    archive,
    signingKey,
    encryption: placeEncryptionFiles(base, values.encryption, env.GREC_PRIVATE_KEY),
    catalog: join(state, 'catalog.db'),
    index: join(state, 'index.db'),
    transcripts: join(state, 'transcripts'),
    topics: resolve(configurationDirectory(file, env, uid), values.index.topics ?? 'topics.toml'),
    model: placeModel(base, values.index),
    others: placeOthers(base, state, values.processing.also),
    recordings: values.media.engine === 'rtpengine' ? resolve(base, values.media.recordings) : undefined,
    switchDb: join(state, 'switch.db'),
    callsDb: join(state, 'calls.db'),
    strategy: resolve(configurationDirectory(file, env, uid), values.switch.strategy ?? 'strategy.toml'),
    alarms: join(state, 'alarms'),
    alarmSecret: placeAlarmSecret(base, values.alarms),
    consentTone: placeToneFile(base, values.recording['consent-tone']),
    tls: placeTlsFiles(base, values.sip.tls),
    webDb: join(state, 'web.db'),
    webTls: placeWebFiles(base, values.web),
  };
}

/** Where the configuration lies, or would. */
function configurationDirectory(
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  uid: number | undefined,
): string {
  if (file !== undefined) return dirname(file);
  return uid === 0 ? '/etc/grec' : join(xdg(env, 'XDG_CONFIG_HOME', '.config'), 'grec');
}

export type DaemonName = 'grec-sipd' | 'grec-mediad' | 'grec-procd' | 'grec-webd';

/** The control socket of a daemon. */
export function socketOf(config: Pick<Config, 'paths'>, name: DaemonName): string {
  return join(config.paths.run, `${name.slice('grec-'.length)}.sock`);
}

/** What the environment tells of who runs this program: through sudo, and from another machine. */
export function originOf(env: NodeJS.ProcessEnv = process.env): { sudoUser?: string; ssh?: string } {
  const [ssh] = env.SSH_CONNECTION?.split(' ') ?? [];
  return { ...(env.SUDO_USER && { sudoUser: env.SUDO_USER }), ...(ssh && { ssh }) };
}

/** What programs that are run need of the environment, and nothing that may be secret. */
export function programEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', HOME, LD_LIBRARY_PATH } = env;
  return { PATH, LANG: 'C.UTF-8', ...(HOME && { HOME }), ...(LD_LIBRARY_PATH && { LD_LIBRARY_PATH }) };
}

/** The name of this machine, as recordings carry it. */
export function machineName(): string {
  return hostname();
}
