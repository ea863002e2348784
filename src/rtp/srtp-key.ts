// One master key at work, in one direction: SRTP and SRTCP of a packet in WORK (RFC 3711 sections 3.1 and 3.4, RFC 7714 sections 8 and 9).
import { rtpHeaderLength } from './header.ts';
import {
  AAD_AT,
  type AeadCipher,
  type CounterModeCipher,
  IV_AT,
  type SrtpLibrary,
  TAG_AT,
  WORK,
} from './srtp-cipher.ts';
import { deriveSessionKeys, type SrtpMasterKey, type SrtpSessionKeys } from './srtp-keys.ts';
import type { SrtpSuite } from './srtp-suite.ts';

/** E flag and index, behind an SRTCP packet. */
export const SRTCP_INDEX_BYTES = 4;
export const ENCRYPTED = 0x80000000;
/** Header and SSRC of the first report stay in clear. */
const RTCP_CLEAR_BYTES = 8;
const COUNTER_BYTES = 4;
const SEQUENCE_NUMBERS = 0x10000;

/** The protection of packets that stand in WORK, from 0 on. False: it could not be done, and what stands there is worth nothing. */
export interface SrtpKey {
  /** Appends the tag behind `length`. */
  protectRtp(length: number, ssrc: number, index: number): boolean;
  /** @param length of what the tag follows; the tag stands at TAG_AT */
  unprotectRtp(length: number, ssrc: number, index: number): boolean;
  /** Appends index and tag behind `length`, in the order of the suite. */
  protectRtcp(length: number, ssrc: number, index: number): boolean;
  /** @param word E flag and index; the tag stands at TAG_AT */
  unprotectRtcp(length: number, ssrc: number, word: number): boolean;
  close(): void;
}

export function createSrtpKey(library: SrtpLibrary, suite: SrtpSuite, master: SrtpMasterKey): SrtpKey {
  const rtp = deriveSessionKeys(suite, master, 'rtp');
  const rtcp = deriveSessionKeys(suite, master, 'rtcp');
  return srtpKeyOf(library, suite, rtp, rtcp);
}

/** The same from session keys. */
export function srtpKeyOf(
  library: SrtpLibrary,
  suite: SrtpSuite,
  rtp: SrtpSessionKeys,
  rtcp: SrtpSessionKeys,
): SrtpKey {
  return suite.isAead ? new AeadKey(library, rtp, rtcp) : new CounterModeKey(library, suite, rtp, rtcp);
}

class CounterModeKey implements SrtpKey {
  readonly #suite: SrtpSuite;
  readonly #rtp: CounterModeCipher;
  readonly #rtcp: CounterModeCipher;
  readonly #rtpSalt: Buffer;
  readonly #rtcpSalt: Buffer;

  constructor(library: SrtpLibrary, suite: SrtpSuite, rtp: SrtpSessionKeys, rtcp: SrtpSessionKeys) {
    this.#suite = suite;
    this.#rtp = library.counterMode(rtp);
    this.#rtcp = library.counterMode(rtcp);
    this.#rtpSalt = rtp.salt;
    this.#rtcpSalt = rtcp.salt;
  }

  protectRtp(length: number, ssrc: number, index: number): boolean {
    this.#setIv(this.#rtpSalt, ssrc, index);
    if (!this.#rtp.crypt(rtpHeaderLength(WORK), length)) return false;
    if (!this.#authenticateRtp(length, index)) return false;
    WORK.copy(WORK, length, TAG_AT, TAG_AT + this.#suite.rtpTagBytes);
    return true;
  }

  unprotectRtp(length: number, ssrc: number, index: number): boolean {
    const tag = takeTag();
    if (!this.#authenticateRtp(length, index) || !isTag(tag, this.#suite.rtpTagBytes)) return false;
    this.#setIv(this.#rtpSalt, ssrc, index);
    return this.#rtp.crypt(rtpHeaderLength(WORK), length);
  }

  /** The roll-over counter counts as if it followed the packet. */
  #authenticateRtp(length: number, index: number): boolean {
    WORK.writeUInt32BE(Math.floor(index / SEQUENCE_NUMBERS), length);
    return this.#rtp.authenticate(length + COUNTER_BYTES);
  }

  protectRtcp(length: number, ssrc: number, index: number): boolean {
    this.#setIv(this.#rtcpSalt, ssrc, index);
    if (!this.#rtcp.crypt(RTCP_CLEAR_BYTES, length)) return false;
    WORK.writeUInt32BE((ENCRYPTED | index) >>> 0, length);
    const end = length + SRTCP_INDEX_BYTES;
    if (!this.#rtcp.authenticate(end)) return false;
    WORK.copy(WORK, end, TAG_AT, TAG_AT + this.#suite.rtcpTagBytes);
    return true;
  }

  unprotectRtcp(length: number, ssrc: number, word: number): boolean {
    const tag = takeTag();
    WORK.writeUInt32BE(word, length);
    if (!this.#rtcp.authenticate(length + SRTCP_INDEX_BYTES)) return false;
    if (!isTag(tag, this.#suite.rtcpTagBytes)) return false;
    if (word < ENCRYPTED) return true;
    this.#setIv(this.#rtcpSalt, ssrc, word - ENCRYPTED);
    return this.#rtcp.crypt(RTCP_CLEAR_BYTES, length);
  }

  /** (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16), RFC 3711 section 4.1.1. */
  #setIv(salt: Buffer, ssrc: number, index: number): void {
    salt.copy(WORK, IV_AT);
    WORK[IV_AT + 14] = 0;
    WORK[IV_AT + 15] = 0;
    xor32(IV_AT + 4, ssrc);
    xor16(IV_AT + 8, Math.floor(index / 2 ** 32));
    xor32(IV_AT + 10, index % 2 ** 32);
  }

  close(): void {
    this.#rtp.close();
    this.#rtcp.close();
    this.#rtpSalt.fill(0);
    this.#rtcpSalt.fill(0);
  }
}

class AeadKey implements SrtpKey {
  readonly #rtp: AeadCipher;
  readonly #rtcp: AeadCipher;
  readonly #rtpSalt: Buffer;
  readonly #rtcpSalt: Buffer;

  constructor(library: SrtpLibrary, rtp: SrtpSessionKeys, rtcp: SrtpSessionKeys) {
    this.#rtp = library.aead(rtp);
    this.#rtcp = library.aead(rtcp);
    this.#rtpSalt = rtp.salt;
    this.#rtcpSalt = rtcp.salt;
  }

  protectRtp(length: number, ssrc: number, index: number): boolean {
    this.#setRtpIv(ssrc, index);
    const header = rtpHeaderLength(WORK);
    if (!this.#rtp.seal(header, length, 0, header)) return false;
    WORK.copy(WORK, length, TAG_AT, TAG_AT + AEAD_TAG_BYTES);
    return true;
  }

  unprotectRtp(length: number, ssrc: number, index: number): boolean {
    this.#setRtpIv(ssrc, index);
    const header = rtpHeaderLength(WORK);
    return this.#rtp.open(header, length, 0, header);
  }

  protectRtcp(length: number, ssrc: number, index: number): boolean {
    this.#setRtcpIv(ssrc, index);
    const word = (ENCRYPTED | index) >>> 0;
    WORK.copy(WORK, AAD_AT, 0, RTCP_CLEAR_BYTES);
    WORK.writeUInt32BE(word, AAD_AT + RTCP_CLEAR_BYTES);
    if (!this.#rtcp.seal(RTCP_CLEAR_BYTES, length, AAD_AT, RTCP_CLEAR_BYTES + SRTCP_INDEX_BYTES))
      return false;
    WORK.copy(WORK, length, TAG_AT, TAG_AT + AEAD_TAG_BYTES);
    WORK.writeUInt32BE(word, length + AEAD_TAG_BYTES);
    return true;
  }

  unprotectRtcp(length: number, ssrc: number, word: number): boolean {
    this.#setRtcpIv(ssrc, word % ENCRYPTED);
    if (word >= ENCRYPTED) {
      WORK.copy(WORK, AAD_AT, 0, RTCP_CLEAR_BYTES);
      WORK.writeUInt32BE(word, AAD_AT + RTCP_CLEAR_BYTES);
      return this.#rtcp.open(RTCP_CLEAR_BYTES, length, AAD_AT, RTCP_CLEAR_BYTES + SRTCP_INDEX_BYTES);
    }
    // In clear all of it is authenticated, and nothing encrypted (RFC 7714 section 9.3).
    WORK.writeUInt32BE(word, length);
    return this.#rtcp.open(length, length, 0, length + SRTCP_INDEX_BYTES);
  }

  /** 00 00 || SSRC || roll-over counter || sequence number, XOR salt (RFC 7714 section 8.1). */
  #setRtpIv(ssrc: number, index: number): void {
    this.#rtpSalt.copy(WORK, IV_AT);
    xor32(IV_AT + 2, ssrc);
    xor32(IV_AT + 6, Math.floor(index / SEQUENCE_NUMBERS));
    xor16(IV_AT + 10, index % SEQUENCE_NUMBERS);
  }

  /** 00 00 || SSRC || 00 00 || 0, index of 31 bits, XOR salt (RFC 7714 section 9.1). */
  #setRtcpIv(ssrc: number, index: number): void {
    this.#rtcpSalt.copy(WORK, IV_AT);
    xor32(IV_AT + 2, ssrc);
    xor32(IV_AT + 8, index);
  }

  close(): void {
    this.#rtp.close();
    this.#rtcp.close();
    this.#rtpSalt.fill(0);
    this.#rtcpSalt.fill(0);
  }
}

const AEAD_TAG_BYTES = 16;
const LONGEST_TAG_BYTES = 10;
const RECEIVED_TAG = new Uint8Array(LONGEST_TAG_BYTES);

/** The tag that came, out of the way of the one that is made. */
function takeTag(): Uint8Array {
  for (let at = 0; at < LONGEST_TAG_BYTES; at += 1) RECEIVED_TAG[at] = WORK[TAG_AT + at] ?? 0;
  return RECEIVED_TAG;
}

/** In a time that does not depend on where they differ. */
function isTag(tag: Uint8Array, bytes: number): boolean {
  let difference = 0;
  for (let at = 0; at < bytes; at += 1) difference |= (tag[at] ?? 0) ^ (WORK[TAG_AT + at] ?? 0);
  return difference === 0;
}

function xor32(at: number, value: number): void {
  WORK.writeUInt32BE((WORK.readUInt32BE(at) ^ value) >>> 0, at);
}

function xor16(at: number, value: number): void {
  WORK.writeUInt16BE(WORK.readUInt16BE(at) ^ value, at);
}
