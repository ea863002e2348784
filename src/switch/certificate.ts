// The switch's certificate: read from its files, checked, watched until it expires, and read again when told to (SIGHUP).
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Config } from '../config.ts';
import { GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { TlsIdentity, UserAgent } from '../sip/user-agent.ts';

const DAY_MS = 86_400_000;
/** Renewal is due when so little is left: authorities' own clients renew a month before. */
const WARN_BEFORE_MS = 14 * DAY_MS;
const LOOK_EVERY_MS = DAY_MS / 2;

export class Certificate {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #watch: NodeJS.Timeout;
  #identity: TlsIdentity | undefined;
  #certificate: X509Certificate | undefined;
  #trouble: string | undefined;

  /** @throws GrecError TLS_UNUSABLE when the configuration names a certificate that cannot be used */
  constructor(config: Config, log: Logger, now: () => number = Date.now) {
    this.#log = log;
    this.#now = now;
    const read = readIdentity(config);
    if (read !== undefined) this.#keep(read, config);
    this.#watch = setInterval(() => this.#warnOfExpiry(), LOOK_EVERY_MS).unref();
  }

  /** Undefined when the configuration names none. */
  get identity(): TlsIdentity | undefined {
    return this.#identity;
  }

  /** Reads the files again, for connections to come. A certificate that cannot be used leaves the old one in force, with an alarm. */
  reload(config: Config, userAgent: Pick<UserAgent, 'useTls'>): void {
    if (this.#identity === undefined || config.paths.tls === undefined) return this.#mindRestart(config);
    try {
      const read = readIdentity(config);
      if (read === undefined) return;
      userAgent.useTls(read.identity);
      this.#keep(read, config);
      this.#trouble = undefined;
      this.#log.info({ until: this.#until }, 'TLS certificate read again');
    } catch (thrown) {
      this.#trouble = messageOf(thrown);
      const hint = thrown instanceof GrecError ? thrown.hint : undefined;
      this.#log.error(
        { alarm: 'tls-certificate', hint, until: this.#until },
        `${messageOf(thrown)}; the one in force stays`,
      );
    }
  }

  #mindRestart({ paths }: Config): void {
    if ((this.#identity === undefined) === (paths.tls === undefined)) return;
    this.#log.warn('a certificate that is new in [sip.tls], or gone from it, needs a restart');
  }

  #keep({ identity, certificate, isKeyOpen }: Read, { paths }: Config): void {
    this.#identity = identity;
    this.#certificate = certificate;
    if (isKeyOpen)
      this.#log.warn(
        { key: paths.tls?.key, hint: 'take its permissions from others: chmod o=' },
        'the TLS key can be read by every user of this machine',
      );
    this.#warnOfExpiry();
  }

  get #until(): string | undefined {
    return this.#certificate?.validToDate.toISOString();
  }

  #warnOfExpiry(): void {
    const until = this.#certificate?.validToDate.getTime() ?? Number.POSITIVE_INFINITY;
    const left = until - this.#now();
    if (left > WARN_BEFORE_MS) return;
    const days = Math.floor(Math.abs(left) / DAY_MS);
    this.#log.error(
      { alarm: 'tls-expiry', until: this.#until, hint: 'renew it, then reload grec-sipd (SIGHUP)' },
      left > 0 ? `the TLS certificate expires in ${days} days` : 'the TLS certificate has expired',
    );
  }

  /** For `grec status`. */
  status(): Record<string, unknown> | null {
    if (this.#certificate === undefined) return null;
    return {
      subject: this.#certificate.subject,
      names: this.#certificate.subjectAltName ?? null,
      until: this.#until,
      trouble: this.#trouble ?? null,
    };
  }

  close(): void {
    clearInterval(this.#watch);
  }
}

interface Read {
  identity: TlsIdentity;
  certificate: X509Certificate;
  isKeyOpen: boolean;
}

function readIdentity({ paths, sip }: Config): Read | undefined {
  if (paths.tls === undefined) return undefined;
  const files = paths.tls;
  const [certificate, key] = [read(files.certificate), read(files.key)];
  const leaf = parse(files.certificate, () => new X509Certificate(certificate));
  const secret: KeyObject = parse(files.key, () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(secret)) throw unusable(`${files.key} is not the key of ${files.certificate}`);
  const ca = files.ca === undefined ? undefined : read(files.ca);
  if (ca !== undefined) parse(files.ca ?? '', () => new X509Certificate(ca));
  const verify = { verifyClients: sip.tls['verify-clients'], verifyServers: sip.tls['verify-servers'] };
  const identity = { certificate, key, ca, ...verify };
  return { identity, certificate: leaf, isKeyOpen: (statSync(files.key).mode & 0o007) !== 0 };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw unusable(`cannot read ${file}: ${messageOf(thrown)}`, thrown);
  }
}

/** What OpenSSL says of a file is about its bytes, which are not repeated: they may be a key. */
function parse<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (thrown) {
    throw unusable(`${file} holds nothing of use: ${messageOf(thrown)}`, thrown);
  }
}

function unusable(message: string, cause?: unknown): GrecError {
  return new GrecError('TLS_UNUSABLE', `TLS: ${message}`, {
    hint: 'certificate, key and ca of [sip.tls] are PEM files that the user of grec-sipd can read; the key has no passphrase',
    cause,
  });
}
