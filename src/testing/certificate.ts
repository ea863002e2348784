// X.509 certificates for tests: an authority, and what it vouches for, of any name and time (RFC 5280 section 4.1, ITU-T X.690).
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';

export interface TestCertificate {
  /** PEM. */
  certificate: string;
  key: string;
  /** Vouches for others with this one as authority. */
  issue(options?: CertificateOptions): TestCertificate;
}

export interface CertificateOptions {
  /** The common name. */
  name?: string;
  /** DNS names and addresses; loopback's when left out. */
  names?: readonly string[];
  /** Days from now; the past makes a certificate that has expired. */
  days?: number;
}

const DAY_MS = 86_400_000;
const EC_SHA256 = oid('1.2.840.10045.4.3.2');

interface Issuer {
  name: Buffer;
  key: KeyObject;
}

/** A certificate that vouches for itself, P-256. */
export function makeCertificate(options: CertificateOptions = {}): TestCertificate {
  return make(options, undefined);
}

function make(options: CertificateOptions, issuer: Issuer | undefined): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(
    set(sequence(oid('2.5.4.3'), tagged(0x0c, Buffer.from(options.name ?? 'grec test')))),
  );
  const signer = issuer ?? { name, key: privateKey };
  const content = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(8)])),
    sequence(EC_SHA256),
    signer.name,
    validity(options.days ?? 30),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      0xa3,
      sequence(basicConstraints(), alternativeNames(options.names ?? ['localhost', '127.0.0.1', '::1'])),
    ),
  );
  const signature = sign('sha256', content, signer.key);
  const der = sequence(content, sequence(EC_SHA256), tagged(0x03, Buffer.of(0), signature));
  const body = der.toString('base64').replaceAll(/.{64}/g, '$&\n');
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    issue: (wanted = {}) => make(wanted, { name, key: privateKey }),
  };
}

function validity(days: number): Buffer {
  const end = Date.now() + days * DAY_MS;
  return sequence(time(Math.min(Date.now(), end) - 2 * DAY_MS), time(end));
}

/** GeneralizedTime, to the second. */
function time(at: number): Buffer {
  return tagged(0x18, Buffer.from(`${new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`));
}

/** Any of them may vouch for others. */
function basicConstraints(): Buffer {
  const isAuthority = sequence(tagged(0x01, Buffer.of(0xff)));
  return sequence(oid('2.5.29.19'), tagged(0x04, isAuthority));
}

function alternativeNames(names: readonly string[]): Buffer {
  const list = names.map((name) =>
    isIP(name) === 0 ? tagged(0x82, Buffer.from(name)) : tagged(0x87, addressBytes(name)),
  );
  return sequence(oid('2.5.29.17'), tagged(0x04, sequence(...list)));
}

function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const zeros = Array(8 - groups(head).length - groups(tail).length).fill('0');
  const all = [...groups(head), ...zeros, ...groups(tail)];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function tagged(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function sequence(...contents: Buffer[]): Buffer {
  return tagged(0x30, ...contents);
}

function set(...contents: Buffer[]): Buffer {
  return tagged(0x31, ...contents);
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const bytes = [value & 127];
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 127) | 128);
  return bytes;
}
