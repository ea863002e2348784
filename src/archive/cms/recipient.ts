// To whom recordings are encrypted: RSA keys of X.509 certificates (RFC 5652 section 6.2.1, RFC 4056 parameters of RSAES-OAEP, RFC 8017).
import { constants, type KeyObject, privateDecrypt, publicEncrypt, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { GrecError, messageOf } from '../../errors.ts';
import {
  children,
  expect,
  integer,
  none,
  OCTET_STRING,
  oid,
  read,
  SEQUENCE,
  sequence,
  tagged,
  whole,
} from './der.ts';

const FEWEST_BITS = 2048;
const HASH = 'sha256';
const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'), none());
const MGF1 = sequence(oid('1.2.840.113549.1.1.8'), SHA256);
const RSAES_OAEP = oid('1.2.840.113549.1.1.7');
/** RSAES-OAEP with SHA-256 throughout. */
const OAEP = sequence(RSAES_OAEP, sequence(tagged(0xa0, SHA256), tagged(0xa1, MGF1)));
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface Recipient {
  /** As the certificate has it, in one line. */
  subject: string;
  /** SHA-256 of the certificate, lower-case hex. */
  fingerprint: string;
  publicKey: KeyObject;
  /** IssuerAndSerialNumber, DER. */
  issuerAndSerial: Buffer;
}

/**
 * The recipients of certificate files, PEM, of one or more certificates each.
 * @throws GrecError CERTIFICATE_UNUSABLE
 */
export function readRecipients(files: readonly string[]): Recipient[] {
  return files.flatMap((file) => {
    try {
      const found = readFileSync(file, 'latin1').match(PEM);
      if (found === null) throw new Error('there is no certificate in it');
      return found.map((pem) => recipientOf(new X509Certificate(pem)));
    } catch (thrown) {
      throw new GrecError(
        'CERTIFICATE_UNUSABLE',
        `cannot encrypt to the certificate ${file}: ${messageOf(thrown)}`,
        { hint: `it must be X.509 in PEM, of an RSA key with ${FEWEST_BITS} bits or more`, cause: thrown },
      );
    }
  });
}

function recipientOf(certificate: X509Certificate): Recipient {
  const { publicKey, subject, fingerprint256, raw } = certificate;
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (publicKey.asymmetricKeyType !== 'rsa') throw new Error(`its key is for ${publicKey.asymmetricKeyType}`);
  if (bits < FEWEST_BITS) throw new Error(`its key has ${bits} bits`);
  return {
    subject: (subject ?? '').split('\n').join(', '),
    fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    publicKey,
    issuerAndSerial: issuerAndSerialOf(raw),
  };
}

/** Of a certificate in DER (RFC 5280 section 4.1): behind the version come the serial number, an algorithm and the issuer. */
function issuerAndSerialOf(raw: Buffer): Buffer {
  const tbs = read(raw, read(raw, 0).from);
  const fields = children(raw, tbs);
  const [serial, , issuer] = fields[0]?.tag === 0xa0 ? fields.slice(1) : fields;
  if (serial === undefined || issuer === undefined) throw new Error('it is no certificate');
  return sequence(whole(raw, issuer), whole(raw, serial));
}

/** KeyTransRecipientInfo, DER: the key, for this recipient alone. */
export function wrapKey(key: Uint8Array, { publicKey, issuerAndSerial }: Recipient): Buffer {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const wrapped = publicEncrypt({ key: publicKey, padding, oaepHash: HASH }, key);
  return sequence(integer(0), issuerAndSerial, OAEP, tagged(OCTET_STRING, wrapped));
}

/** The key in a KeyTransRecipientInfo; undefined when it is for somebody else, or of another kind. */
export function unwrapKey(info: Buffer, privateKey: KeyObject): Buffer | undefined {
  try {
    const [, , algorithm, wrapped] = children(info, expect(info, 0, SEQUENCE));
    if (algorithm === undefined || wrapped?.tag !== OCTET_STRING) return undefined;
    // Others may spell its parameters in another way (RFC 4055 section 2.1); whether they are these, shows.
    if (!whole(info, read(info, algorithm.from)).equals(RSAES_OAEP)) return undefined;
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const bytes = info.subarray(wrapped.from, wrapped.to);
    return privateDecrypt({ key: privateKey, padding, oaepHash: HASH }, bytes);
  } catch {
    return undefined;
  }
}
