// Bencode: literal bytes both ways, what is refused, and round trips.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { type Bencodable, type BencodeValue, decodeBencode, encodeBencode } from './bencode.ts';

function decoded(text: string): BencodeValue {
  const result = decodeBencode(Buffer.from(text, 'latin1'));
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

function reason(text: string | Buffer): string {
  const result = decodeBencode(Buffer.from(text as string, 'latin1'));
  return result.ok ? 'accepted' : result.reason;
}

t.test('literal values are decoded', async (t) => {
  t.same(decoded('4:ping'), Buffer.from('ping'));
  t.same(decoded('0:'), Buffer.alloc(0));
  t.same(decoded('i0e'), 0);
  t.same(decoded('i-42e'), -42);
  t.same(decoded('i9007199254740991e'), Number.MAX_SAFE_INTEGER);
  t.same(decoded('li1eli2eee'), [1, [2]]);
  t.same(decoded('le'), []);
  t.same(decoded('de'), {});
  t.same(decoded('d7:command4:ping3:abci7ee'), { command: Buffer.from('ping'), abc: 7 });
});

t.test('strings are bytes', async (t) => {
  t.same(decoded('3:\x00\xff\n'), Buffer.from([0, 255, 10]));
});

t.test('no key is special', async (t) => {
  const dict = decoded('d9:__proto__d1:xi1ee11:constructori2ee') as { [key: string]: BencodeValue };
  t.equal(Object.getPrototypeOf(dict), null);
  t.same(Object.keys(dict), ['__proto__', 'constructor']);
  t.equal(({} as Record<string, unknown>).x, undefined);
});

t.test('what is not exactly one value is refused with its place', async (t) => {
  const refused: [string, string][] = [
    ['', 'byte 0: cut short'],
    ['x', 'byte 0: neither string, integer, list nor dictionary'],
    ['-1:x', 'byte 0: neither string, integer, list nor dictionary'],
    ['i1ei2e', 'byte 3: bytes after the end'],
    ['i01e', 'byte 1: not a number'],
    ['i-0e', 'byte 1: not a number'],
    ['i-e', 'byte 1: not a number'],
    ['ie', 'byte 1: not a number'],
    ['i+1e', 'byte 1: not a number'],
    ['i1.0e', 'byte 1: not a number'],
    ['i 1e', 'byte 1: not a number'],
    ['i9007199254740992e', 'byte 1: not a number'],
    ['i99999999999999999999e', 'byte 1: a number without its end'],
    ['i1', 'byte 1: a number without its end'],
    ['04:ping', 'byte 0: not a number'],
    ['4', 'byte 0: a number without its end'],
    ['1x:a', 'byte 0: not a number'],
    ['5:ping', 'byte 2: a string longer than what is there'],
    ['9007199254740991:x', 'byte 17: a string longer than what is there'],
    ['l', 'byte 1: cut short'],
    ['li1e', 'byte 4: cut short'],
    ['d', 'byte 1: neither string, integer, list nor dictionary'],
    ['di1ei2ee', 'byte 1: neither string, integer, list nor dictionary'],
    ['d1:ae', 'byte 4: neither string, integer, list nor dictionary'],
    ['d1:ai1e1:ai2ee', 'byte 10: a key that stands twice'],
    ['d9:__proto__i1e9:__proto__i2ee', 'byte 26: a key that stands twice'],
  ];
  for (const [text, expected] of refused) t.equal(reason(text), expected, text);
});

t.test('depth and size are limited', async (t) => {
  t.equal(reason(`${'l'.repeat(17)}${'e'.repeat(17)}`), 'accepted');
  t.equal(reason(`${'l'.repeat(18)}${'e'.repeat(18)}`), 'byte 17: over 16 levels');
  t.equal(reason('l'.repeat(65536)), 'byte 17: over 16 levels');
  t.equal(reason('d1:a'.repeat(16384)), 'byte 68: over 16 levels');
  t.equal(reason(`65530:${'x'.repeat(65530)}`), 'accepted');
  t.equal(reason(`65531:${'x'.repeat(65531)}`), 'over 65536 bytes');
});

t.test('literal values are encoded', async (t) => {
  t.equal(encodeBencode({ command: 'ping' }).toString(), 'd7:command4:pinge');
  t.equal(
    encodeBencode({ b: 1, a: ['ü', -2, Buffer.from('x')], no: undefined }).toString(),
    'd1:bi1e1:al2:üi-2e1:xee',
  );
  t.equal(encodeBencode(Object.fromEntries([['__proto__', {}]])).toString(), 'd9:__proto__dee');
  t.throws(() => encodeBencode({ a: Number.NaN }), RangeError);
  t.throws(() => encodeBencode(1.5), RangeError);
});

const { value: values } = fc.letrec<{ value: Bencodable }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 5 }),
  ),
}));

/** Dictionaries lose their prototype on the way; nothing else changes. */
function bare(value: Bencodable): unknown {
  if (typeof value !== 'object' || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(bare);
  const entries = Object.entries(value).map(([key, entry]) => [key, bare(entry as Bencodable)]);
  return Object.setPrototypeOf(Object.fromEntries(entries), null);
}

t.test('what is encoded is decoded as the same value', async (t) => {
  fc.assert(
    fc.property(values, (value) =>
      isDeepStrictEqual(decodeBencode(encodeBencode(value)), { ok: true, value: bare(value) }),
    ),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('what is decoded is encoded as the same bytes', async (t) => {
  let accepted = 0;
  const alphabet = fc.constantFrom(
    'i',
    'l',
    'd',
    'e',
    ':',
    '-',
    '0',
    '1',
    '2',
    'i1e',
    '1:a',
    '1:b',
    'd1:a',
    'le',
  );
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 12 }), (parts) => {
      const bytes = Buffer.from(parts.join(''));
      const result = decodeBencode(bytes);
      if (!result.ok) return true;
      accepted++;
      return encodeBencode(result.value).equals(bytes);
    }),
    { numRuns: 5000 },
  );
  t.ok(accepted > 50, `${accepted} were acceptable`);
});
