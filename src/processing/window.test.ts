// The window of a timeline: what is written comes out where it stands, and nothing of one recording stays for the next.
import fc from 'fast-check';
import t from 'tap';
import { TimelineWindow } from './window.ts';

const LOUD = Int16Array.from({ length: 256 }, (_, code) => code + 1);

interface Written {
  position: number;
  length: number;
  channel: 0 | 1;
}

/** What a window makes of some packets, by channel: sample `i` of the file is that of `start + i`. */
async function play(written: readonly Written[], code: number) {
  const bytes: Buffer[] = [];
  const window = new TimelineWindow(async (piece) => void bytes.push(Buffer.from(piece)));
  const placed: Written[] = [];
  for (const { position, length, channel } of written) {
    const packet = {
      at: 0,
      timestamp: 0,
      position,
      payload: Buffer.alloc(length, code),
      table: LOUD,
      channel,
    };
    if (!window.fits(packet)) await window.advance(packet);
    if (window.write(packet)) placed.push({ position, length, channel });
  }
  await window.finish();
  return { file: Buffer.concat(bytes), start: window.start ?? 0, placed };
}

/** The same, of an array as long as the call. */
function expected(placed: readonly Written[], start: number, frames: number, code: number): Int16Array {
  const samples = new Int16Array(frames * 2);
  for (const { position, length, channel } of placed) {
    for (let at = position; at < position + length; at += 1) samples[(at - start) * 2 + channel] = code + 1;
  }
  return samples;
}

const packets = fc.array(
  fc.record({
    position: fc.oneof(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 0, max: 3_000_000 })),
    length: fc.integer({ min: 1, max: 400 }),
    channel: fc.constantFrom<0 | 1>(0, 1),
  }),
  { minLength: 1, maxLength: 30 },
);

t.test('a recording holds its own samples and no other, whatever was recorded before it', async (t) => {
  await fc.assert(
    fc.asyncProperty(packets, packets, async (before, after) => {
      await play(before, 200);
      const { file, start, placed } = await play(after, 17);
      const samples = new Int16Array(file.buffer, file.byteOffset, file.length / 2);
      return Buffer.compare(file, Buffer.from(expected(placed, start, samples.length / 2, 17).buffer)) === 0;
    }),
    { numRuns: 150 },
  );
  t.pass();
});

t.test(
  'silence follows up to where it is wanted, longer than the window too, and never before the first sample',
  async (t) => {
    let frames = 0;
    let loud = 0;
    const window = new TimelineWindow(async (piece) => {
      frames += piece.length / 4;
      for (let at = 0; at < piece.length; at += 2) if (piece.readInt16LE(at) !== 0) loud += 1;
    });
    const payload = Buffer.alloc(160, 1);
    window.write({ at: 0, timestamp: 0, position: 1000, payload, table: LOUD, channel: 0 });
    await window.finish(1000 + 1_000_000);
    t.strictSame([window.start, frames, loud], [1000, 1_000_000, 160]);
    const empty = new TimelineWindow(async () => void t.fail('there is nothing to be silent after'));
    await empty.finish(5000);
  },
);
