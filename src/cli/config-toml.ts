// A configuration as TOML: what `grec config show` prints, and the file of one run of `grec up --listen`.
import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { stringify } from 'smol-toml';
import type { Config, HostPort } from '../config.ts';
import { showMediaServer } from '../config-media.ts';

/**
 * The values of `config` as a configuration file that means the same wherever it lies: directories are absolute and
 * every default is written out.
 */
export function printConfig(config: Config): string {
  const {
    state,
    sip,
    media,
    mediad,
    recording,
    processing,
    archive,
    encryption,
    retention,
    storage,
    trunk,
    web,
    log,
    control,
  } = config;
  return stringify({
    state: { ...state, directory: config.paths.state },
    log,
    control,
    sip: {
      ...sip,
      listen: sip.listen.map((address) => `${address.protocol}:${showHostPort(address)}`),
      tls: { ...sip.tls, ...defined(config.paths.tls) },
    },
    switch: { ...config.switch, ...strategyOf(config) },
    media: {
      ...media,
      server: media.server.map(showMediaServer),
      recordings: config.paths.recordings ?? media.recordings,
    },
    mediad: {
      ...mediad,
      ng: showHostPort(mediad.ng),
      ports: `${mediad.ports.first}-${mediad.ports.last}`,
    },
    recording: { ...recording, ...toneOf(config) },
    processing: { ...processing, also: config.paths.others },
    index: defined({ ...config.index, model: config.paths.model, topics: config.paths.topics }),
    archive: { ...archive, directory: config.paths.archive, 'signing-key': config.paths.signingKey },
    encryption: {
      ...encryption,
      certificate: config.paths.encryption.certificates,
      'private-key': config.paths.encryption.privateKeys,
      ...defined({ 'passphrase-file': config.paths.encryption.passphrase }),
      ...defined({ 'spool-key': config.paths.encryption.spoolKey }),
    },
    ...(retention.length === 0 ? {} : { retention }),
    ...(storage.length === 0 ? {} : { storage }),
    web: { ...web, listen: showHostPort(web.listen), ...defined(config.paths.webTls) },
    ...(config.export.ffmpeg === undefined ? {} : { export: config.export }),
    ...(trunk.length === 0 ? {} : { trunk }),
  });
}

/** TOML has no word for what is not there. */
function defined(values: object | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => value !== undefined));
}

/** A tone that is not named cannot be described either. */
function toneOf({ recording, paths }: Config): { 'consent-tone': object | undefined } {
  const file = paths.consentTone;
  return { 'consent-tone': file === undefined ? undefined : { ...recording['consent-tone'], file } };
}

/** A file that is named must exist. */
function strategyOf({ switch: { strategy }, paths }: Config): { strategy?: string } {
  return strategy === undefined && !existsSync(paths.strategy) ? {} : { strategy: paths.strategy };
}

/** `127.0.0.1:5060`, `[::1]:5060`. */
export function showHostPort({ host, port }: HostPort): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
