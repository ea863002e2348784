// SRTP by the bytes of the RFCs: key derivation and AES-CM (RFC 3711 appendix B), AES-GCM packets (RFC 7714 sections 16 and 17),
// with each library that can do it.
import t from 'tap';
import { SrtpReceiver, SrtpSender } from './srtp.ts';
import { IV_AT, type SrtpLibrary, TAG_AT, WORK } from './srtp-cipher.ts';
import { srtpKeyOf } from './srtp-key.ts';
import { deriveSessionKeys } from './srtp-keys.ts';
import { srtpLibrary } from './srtp-library.ts';
import { nodeLibrary } from './srtp-node.ts';
import { openSslLibrary } from './srtp-openssl.ts';
import { type SrtpSuiteName, srtpSuite } from './srtp-suite.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const native = openSslLibrary();
const libraries: SrtpLibrary[] = native === undefined ? [nodeLibrary] : [nodeLibrary, native];

function suiteOf(name: SrtpSuiteName) {
  const suite = srtpSuite(name);
  if (suite === undefined) throw new Error(`no suite ${name}`);
  return suite;
}

const MASTER = hex('E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6');

t.test('the native library is used where there is koffi', async (t) => {
  t.equal(srtpLibrary().name, native === undefined ? nodeLibrary.name : native.name);
});

t.test('session keys of AES_CM_128 (RFC 3711 B.3)', async (t) => {
  const keys = deriveSessionKeys(suiteOf('AES_CM_128_HMAC_SHA1_80'), MASTER, 'rtp');
  t.strictSame(keys.key, hex('C61E7A93744F39EE10734AFE3FF7A087'));
  t.strictSame(keys.salt, hex('30CBBC08863D8C85D49DB34A9AE1'));
  t.strictSame(keys.authenticationKey, hex('CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4'));
});

for (const library of libraries) {
  t.test(`the keystream of AES_CM_128 (RFC 3711 B.2), ${library.name}`, async (t) => {
    const cipher = library.counterMode({
      key: hex('2B7E151628AED2A6ABF7158809CF4F3C'),
      salt: Buffer.alloc(14),
      authenticationKey: Buffer.alloc(20),
    });
    hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000').copy(WORK, IV_AT);
    WORK.fill(0, 0, 48);
    t.ok(cipher.crypt(0, 48));
    const block = (n: number) => WORK.subarray(n * 16, n * 16 + 16);
    t.strictSame(block(0), hex('E03EAD0935C95E80E166B16DD92B4EB4'));
    t.strictSame(block(1), hex('D23513162B02D0F72A43A2FE4A5F97AB'));
    t.strictSame(block(2), hex('41E95B3BB0A2E8DD477901E4FCA894C0'));
    cipher.close();
  });

  t.test(`HMAC-SHA1 (RFC 2202 case 1), ${library.name}`, async (t) => {
    const authenticationKey = Buffer.alloc(20, 0x0b);
    const cipher = library.counterMode({ key: Buffer.alloc(16), salt: Buffer.alloc(14), authenticationKey });
    WORK.write('Hi There', 0, 'latin1');
    t.ok(cipher.authenticate(8));
    const expected = hex('b617318655057264e28bc0b6fb378c8ef146be00');
    t.strictSame(WORK.subarray(TAG_AT, TAG_AT + 20), expected);
    cipher.close();
  });

  t.test(`whole packets of AES_CM_128_HMAC_SHA1, ${library.name}`, async (t) => {
    const clear = hex('800f1234 decafbad cafebabe abababab abababab abababab abababab');
    const secret = '800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402';
    for (const [name, tag] of [
      ['AES_CM_128_HMAC_SHA1_80', 'b78d6acc99ea179b8dbb'],
      ['AES_CM_128_HMAC_SHA1_32', 'b78d6acc'],
    ] as const) {
      const memory = Buffer.alloc(clear.length + 32);
      clear.copy(memory);
      const sender = new SrtpSender(suiteOf(name), MASTER, library);
      const length = sender.protectRtp(memory, 0, clear.length);
      t.strictSame(memory.subarray(0, length), hex(secret + tag));
      const receiver = new SrtpReceiver(suiteOf(name), [{ master: MASTER }], library);
      t.equal(receiver.unprotectRtp(memory, 0, length), clear.length);
      t.strictSame(memory.subarray(0, clear.length), clear);
    }
  });

  const SALT = hex('517569642070726f2071756f');
  const RTP = `8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
    61727465 73207472 6573`;
  const RTCP = `81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef
    deadbeef deadbeef deadbeef`;
  const keyOf = (name: SrtpSuiteName, key: string) => {
    const session = () => ({ key: hex(key), salt: Buffer.from(SALT), authenticationKey: Buffer.alloc(0) });
    return srtpKeyOf(library, suiteOf(name), session(), session());
  };
  const KEY_128 = '000102030405060708090a0b0c0d0e0f';
  const KEY_256 = `${KEY_128}101112131415161718191a1b1c1d1e1f`;

  for (const [name, key, expected] of [
    [
      'AEAD_AES_128_GCM',
      KEY_128,
      `8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b
       36de3adf 8833 899d7f27 beb16a91 52cf765e e4390cce`,
    ],
    [
      'AEAD_AES_256_GCM',
      KEY_256,
      `8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f
       1ba63799 b87b 7aa3db36 dfffd6b0 f9bb7878 d7a76c13`,
    ],
  ] as const)
    t.test(`an RTP packet of ${name} (RFC 7714 section 16), ${library.name}`, async (t) => {
      const work = keyOf(name, key);
      const clear = hex(RTP);
      clear.copy(WORK);
      t.ok(work.protectRtp(clear.length, 0x5501a0b2, 0xf17b));
      t.strictSame(WORK.subarray(0, clear.length + 16), hex(expected));
      WORK.copy(WORK, TAG_AT, clear.length, clear.length + 16);
      t.ok(work.unprotectRtp(clear.length, 0x5501a0b2, 0xf17b));
      t.strictSame(WORK.subarray(0, clear.length), clear);
      work.close();
    });

  t.test(`an RTCP packet of AEAD_AES_128_GCM (RFC 7714 section 17), ${library.name}`, async (t) => {
    const work = keyOf('AEAD_AES_128_GCM', KEY_128);
    const clear = hex(RTCP);
    clear.copy(WORK);
    t.ok(work.protectRtcp(clear.length, 0x4d617273, 0x5d4));
    t.strictSame(
      WORK.subarray(0, clear.length + 20),
      hex(`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
        4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`),
    );
    WORK.copy(WORK, TAG_AT, clear.length, clear.length + 16);
    t.ok(work.unprotectRtcp(clear.length, 0x4d617273, 0x800005d4));
    t.strictSame(WORK.subarray(0, clear.length), clear);
    work.close();
  });
}
