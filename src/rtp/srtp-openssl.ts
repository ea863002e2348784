// The primitives of SRTP with the OpenSSL that Node itself carries, called through koffi: a tenth of what node:crypto costs for a
// packet, because a context is made once and only its IV is set anew. Absent koffi, or an OpenSSL that can be reached, there is none.
import { createRequire } from 'node:module';
import {
  type AeadCipher,
  type CounterModeCipher,
  IV_AT,
  LENGTH_AT,
  type SrtpLibrary,
  TAG_AT,
  WORK,
} from './srtp-cipher.ts';
import type { SrtpSessionKeys } from './srtp-keys.ts';

/** What is used of koffi, which may not be there. */
interface Koffi {
  load(path: null): { func(definition: string): (...args: Argument[]) => number | bigint };
  address(memory: Buffer): bigint;
}
/** Numbers are addresses in memory of ours, or values; addresses of OpenSSL's own may be larger. */
type Argument = number | bigint | Buffer;
type Native = (...args: Argument[]) => number | bigint;
type FunctionName = keyof typeof FUNCTIONS;

const POINTER = 'uintptr_t';
const FUNCTIONS = {
  EVP_CIPHER_CTX_new: `${POINTER} EVP_CIPHER_CTX_new()`,
  EVP_CIPHER_CTX_free: `void EVP_CIPHER_CTX_free(${POINTER} context)`,
  EVP_aes_128_ctr: `${POINTER} EVP_aes_128_ctr()`,
  EVP_aes_128_gcm: `${POINTER} EVP_aes_128_gcm()`,
  EVP_aes_256_gcm: `${POINTER} EVP_aes_256_gcm()`,
  EVP_CipherInit_ex: `int EVP_CipherInit_ex(${POINTER} context, ${POINTER} type, ${POINTER} engine, ${POINTER} key, ${POINTER} iv, int encrypt)`,
  EVP_CipherUpdate: `int EVP_CipherUpdate(${POINTER} context, ${POINTER} out, ${POINTER} outLength, ${POINTER} in, int inLength)`,
  EVP_CipherFinal_ex: `int EVP_CipherFinal_ex(${POINTER} context, ${POINTER} out, ${POINTER} outLength)`,
  EVP_CIPHER_CTX_ctrl: `int EVP_CIPHER_CTX_ctrl(${POINTER} context, int type, int value, ${POINTER} memory)`,
  EVP_sha1: `${POINTER} EVP_sha1()`,
  HMAC_CTX_new: `${POINTER} HMAC_CTX_new()`,
  HMAC_CTX_free: `void HMAC_CTX_free(${POINTER} context)`,
  HMAC_Init_ex: `int HMAC_Init_ex(${POINTER} context, ${POINTER} key, int keyLength, ${POINTER} digest, ${POINTER} engine)`,
  HMAC_Update: `int HMAC_Update(${POINTER} context, ${POINTER} data, size_t length)`,
  HMAC_Final: `int HMAC_Final(${POINTER} context, ${POINTER} out, ${POINTER} outLength)`,
} as const;
type OpenSsl = Record<FunctionName, Native> & { base: number; addressOf(memory: Buffer): number };

const ENCRYPT = 1;
const DECRYPT = 0;
const AS_IT_IS = -1;
const GET_TAG = 0x10;
const SET_TAG = 0x11;
const TAG_BYTES = 16;
const NULL = 0;

/** @returns undefined when koffi is not installed, or this Node shows no OpenSSL */
export function openSslLibrary(): SrtpLibrary | undefined {
  const openSsl = load();
  if (openSsl === undefined) return undefined;
  return {
    name: 'OpenSSL by koffi',
    counterMode: (keys) => new OpenSslCounterMode(openSsl, keys),
    aead: (keys) => new OpenSslAead(openSsl, keys),
  };
}

function load(): OpenSsl | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    const library = koffi.load(null);
    const functions = Object.entries(FUNCTIONS).map(([name, text]) => [name, library.func(text)]);
    const addressOf = (memory: Buffer) => Number(koffi.address(memory));
    return { ...Object.fromEntries(functions), addressOf, base: addressOf(WORK) } as OpenSsl;
  } catch {
    return undefined;
  }
}

/** A context of OpenSSL for one key. @throws Error when it has no memory, or does not know the cipher */
function cipherContext(
  openSsl: OpenSsl,
  type: number | bigint,
  key: Buffer,
  encrypt: number,
): number | bigint {
  const context = openSsl.EVP_CIPHER_CTX_new();
  // The key is copied: its memory need not stay.
  const isSet = openSsl.EVP_CipherInit_ex(context, type, NULL, openSsl.addressOf(key), NULL, encrypt);
  if (context === 0 || isSet !== 1) throw new Error('OpenSSL did not take an SRTP key');
  return context;
}

/** Whether a stretch lies where packets lie: a library is not to write elsewhere, whoever was wrong. */
function isWithin(from: number, to: number): boolean {
  return from >= 0 && from <= to && to <= IV_AT;
}

/** Keys are not left in pools of memory. */
function ownMemory(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}

class OpenSslCounterMode implements CounterModeCipher {
  readonly #openSsl: OpenSsl;
  readonly #context: number | bigint;
  readonly #hmac: number | bigint;
  #isClosed = false;

  constructor(openSsl: OpenSsl, keys: SrtpSessionKeys) {
    this.#openSsl = openSsl;
    const [key, authenticationKey] = [ownMemory(keys.key), ownMemory(keys.authenticationKey)];
    this.#context = cipherContext(openSsl, openSsl.EVP_aes_128_ctr(), key, ENCRYPT);
    this.#hmac = openSsl.HMAC_CTX_new();
    const address = openSsl.addressOf(authenticationKey);
    const sha1 = openSsl.EVP_sha1();
    if (openSsl.HMAC_Init_ex(this.#hmac, address, authenticationKey.length, sha1, NULL) !== 1)
      throw new Error('OpenSSL did not take an SRTP authentication key');
    key.fill(0);
    authenticationKey.fill(0);
  }

  crypt(from: number, to: number): boolean {
    if (this.#isClosed || !isWithin(from, to)) return false;
    const { EVP_CipherInit_ex, EVP_CipherUpdate, base } = this.#openSsl;
    return (
      EVP_CipherInit_ex(this.#context, NULL, NULL, NULL, base + IV_AT, AS_IT_IS) === 1 &&
      EVP_CipherUpdate(this.#context, base + from, base + LENGTH_AT, base + from, to - from) === 1
    );
  }

  authenticate(to: number): boolean {
    if (this.#isClosed || !isWithin(0, to)) return false;
    const { HMAC_Init_ex, HMAC_Update, HMAC_Final, base } = this.#openSsl;
    return (
      HMAC_Init_ex(this.#hmac, NULL, 0, NULL, NULL) === 1 &&
      HMAC_Update(this.#hmac, base, to) === 1 &&
      HMAC_Final(this.#hmac, base + TAG_AT, base + LENGTH_AT) === 1
    );
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#openSsl.EVP_CIPHER_CTX_free(this.#context);
    this.#openSsl.HMAC_CTX_free(this.#hmac);
  }
}

class OpenSslAead implements AeadCipher {
  readonly #openSsl: OpenSsl;
  readonly #sealing: number | bigint;
  readonly #opening: number | bigint;
  #isClosed = false;

  constructor(openSsl: OpenSsl, keys: SrtpSessionKeys) {
    this.#openSsl = openSsl;
    const key = ownMemory(keys.key);
    const type = key.length === 32 ? openSsl.EVP_aes_256_gcm() : openSsl.EVP_aes_128_gcm();
    this.#sealing = cipherContext(openSsl, type, key, ENCRYPT);
    this.#opening = cipherContext(openSsl, type, key, DECRYPT);
    key.fill(0);
  }

  seal(from: number, to: number, aadAt: number, aadBytes: number): boolean {
    if (this.#isClosed) return false;
    const { base, EVP_CIPHER_CTX_ctrl } = this.#openSsl;
    return (
      this.#run(this.#sealing, from, to, aadAt, aadBytes) &&
      EVP_CIPHER_CTX_ctrl(this.#sealing, GET_TAG, TAG_BYTES, base + TAG_AT) === 1
    );
  }

  open(from: number, to: number, aadAt: number, aadBytes: number): boolean {
    return !this.#isClosed && this.#run(this.#opening, from, to, aadAt, aadBytes);
  }

  #run(context: number | bigint, from: number, to: number, aadAt: number, aadBytes: number): boolean {
    const { base, EVP_CipherInit_ex, EVP_CIPHER_CTX_ctrl, EVP_CipherUpdate, EVP_CipherFinal_ex } =
      this.#openSsl;
    const length = base + LENGTH_AT;
    if (!isWithin(from, to) || aadBytes < 0 || aadAt + aadBytes > LENGTH_AT) return false;
    if (EVP_CipherInit_ex(context, NULL, NULL, NULL, base + IV_AT, AS_IT_IS) !== 1) return false;
    if (context === this.#opening && EVP_CIPHER_CTX_ctrl(context, SET_TAG, TAG_BYTES, base + TAG_AT) !== 1)
      return false;
    if (EVP_CipherUpdate(context, NULL, length, base + aadAt, aadBytes) !== 1) return false;
    if (to > from && EVP_CipherUpdate(context, base + from, length, base + from, to - from) !== 1)
      return false;
    return EVP_CipherFinal_ex(context, base + TAG_AT, length) === 1;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#openSsl.EVP_CIPHER_CTX_free(this.#sealing);
    this.#openSsl.EVP_CIPHER_CTX_free(this.#opening);
  }
}
