// The primitives of SRTP, over one piece of memory that all share (RFC 3711 section 4, RFC 7714 section 8).
//
// A packet is copied to WORK, worked on in place and copied back: a native library is shown fixed addresses alone, and
// nothing is allocated for a packet. Everything is synchronous, so that one WORK is enough for a process.
import type { SrtpSessionKeys } from './srtp-keys.ts';

/** More than any UDP datagram has. */
export const LONGEST_PACKET = 65_536;
/** Room behind a packet for tag, index and roll-over counter. */
const TRAILER_BYTES = 64;

/** Where things stand in {@link WORK}: the packet at 0, then these. */
export const IV_AT = LONGEST_PACKET + TRAILER_BYTES;
export const TAG_AT = IV_AT + 16;
/** Additional authenticated data that is not the beginning of the packet. */
export const AAD_AT = TAG_AT + 32;
/** Where a library writes lengths that nobody reads. */
export const LENGTH_AT = AAD_AT + 16;
export const WORK = Buffer.allocUnsafeSlow(LENGTH_AT + 16).fill(0);

/** A key of AES in counter mode at work, and one of HMAC-SHA1. Offsets are those of {@link WORK}; false: it could not be done. */
export interface CounterModeCipher {
  /** XORs [from, to) with the keystream of the 16 bytes at {@link IV_AT}. */
  crypt(from: number, to: number): boolean;
  /** HMAC-SHA1 of [0, to), 20 bytes at {@link TAG_AT}. */
  authenticate(to: number): boolean;
  /** Forgets the keys. */
  close(): void;
}

/** A key of AES-GCM at work; the IV is the 12 bytes at {@link IV_AT}, the tag the 16 bytes at {@link TAG_AT}. */
export interface AeadCipher {
  /** Encrypts [from, to) and writes the tag. */
  seal(from: number, to: number, aadAt: number, aadBytes: number): boolean;
  /** Decrypts [from, to). @returns whether the tag is right; otherwise the bytes are worth nothing */
  open(from: number, to: number, aadAt: number, aadBytes: number): boolean;
  close(): void;
}

export interface SrtpLibrary {
  /** As benchmarks and logs name it. */
  name: string;
  counterMode(keys: SrtpSessionKeys): CounterModeCipher;
  aead(keys: SrtpSessionKeys): AeadCipher;
}
