// Session keys from a master key (RFC 3711 section 4.3; RFC 7714 section 11 and RFC 6188 for AES-GCM).
import { createCipheriv } from 'node:crypto';
import type { SrtpSuite } from './srtp-suite.ts';

/** Master key and master salt, one after the other, as SDES writes them. */
export type SrtpMasterKey = Buffer;

/** The keys of RTP, or of RTCP, in one direction. */
export interface SrtpSessionKeys {
  key: Buffer;
  salt: Buffer;
  /** Of HMAC-SHA1; empty for AES-GCM. */
  authenticationKey: Buffer;
}

/** RFC 3711 section 4.3.1: what a key is for. RTCP's labels follow those of RTP. */
const ENCRYPTION = 0;
const AUTHENTICATION = 1;
const SALTING = 2;
const RTCP_LABELS = 3;
const AUTHENTICATION_KEY_BYTES = 20;

/** The input of the key derivation function is 112 bits long; a salt of 96 stands to its left (RFC 7714 section 11). */
const INPUT_BYTES = 14;
const LABEL_AT = 7;

export function masterKeyBytes({ keyBytes, saltBytes }: SrtpSuite): number {
  return keyBytes + saltBytes;
}

/** @param master of {@link masterKeyBytes}; a key derivation rate of 0: the keys are derived once */
export function deriveSessionKeys(
  suite: SrtpSuite,
  master: SrtpMasterKey,
  kind: 'rtp' | 'rtcp',
): SrtpSessionKeys {
  const { keyBytes, saltBytes, isAead } = suite;
  const first = kind === 'rtp' ? 0 : RTCP_LABELS;
  const derive = (label: number, length: number) =>
    keystream(master.subarray(0, keyBytes), master.subarray(keyBytes), first + label, length);
  return {
    key: derive(ENCRYPTION, keyBytes),
    salt: derive(SALTING, saltBytes),
    authenticationKey: isAead ? Buffer.alloc(0) : derive(AUTHENTICATION, AUTHENTICATION_KEY_BYTES),
  };
}

/** AES in counter mode over (label || index 0) XOR master salt (RFC 3711 sections 4.3.1 and 4.3.3). */
function keystream(key: Buffer, salt: Buffer, label: number, length: number): Buffer {
  const input = Buffer.alloc(16);
  salt.copy(input, 0, 0, INPUT_BYTES);
  input[LABEL_AT] = (input[LABEL_AT] ?? 0) ^ label;
  return createCipheriv(key.length === 32 ? 'aes-256-ctr' : 'aes-128-ctr', key, input).update(
    Buffer.alloc(length),
  );
}
