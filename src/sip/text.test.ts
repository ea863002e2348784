// Header bytes survive being text, whatever they are.
import fc from 'fast-check';
import t from 'tap';
import { bytesOf, textOf } from './text.ts';

t.test('UTF-8 is text as everybody knows it', async (t) => {
  for (const text of ['', 'plain', 'größe', '大停電', '😀 ok']) {
    t.equal(textOf(Buffer.from(text)), text);
    t.same(bytesOf(text), Buffer.from(text));
  }
});

t.test('latin1 and other bytes come out as they went in', async (t) => {
  const bytes = Buffer.from('J\xfcrgen \xff\xfe \xed\xa0\x80 \xc3', 'latin1');
  t.equal(textOf(bytes).startsWith('J\udcfcrgen'), true);
  t.same(bytesOf(textOf(bytes)), bytes);
  t.same(bytesOf(`ü😀${textOf(Buffer.of(0x80))}`), Buffer.from([...Buffer.from('ü😀'), 0x80]));
});

t.test('any bytes', async (t) => {
  const mixed = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc
        .string({ unit: fc.constantFrom('a', '\0', 'é', '大', '😀', '\u07ff', '\uffff') })
        .map((text) => Buffer.from(text)),
    ),
  );
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(mixed, (parts) => {
        const bytes = Buffer.concat(parts);
        return bytesOf(textOf(bytes)).equals(bytes);
      }),
      { numRuns: 1000 },
    ),
  );
});

t.test('distinct bytes are distinct texts', async (t) => {
  const texts = new Set(Array.from({ length: 256 }, (_, byte) => textOf(Buffer.of(byte))));
  t.equal(texts.size, 256);
});
