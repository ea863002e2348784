// Which WAV files can be played, and what is said of the others.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { GrecError } from './errors.ts';
import { loadSound, readSound } from './sound-file.ts';
import { buildWav } from './testing/wav.ts';

const pcm = Buffer.from([1, 0, 2, 0, 3, 0]);
const law = Buffer.from([0xff, 0x80, 0x01]);

t.test('PCM with 16 bits and both laws of G.711', async (t) => {
  t.same(readSound(buildWav({ data: pcm }), 'x'), { encoding: 'PCM16', bytes: pcm });
  t.same(readSound(buildWav({ format: 6, bits: 8, data: law }), 'x'), { encoding: 'PCMA', bytes: law });
  t.same(readSound(buildWav({ format: 7, bits: 8, data: law }), 'x'), { encoding: 'PCMU', bytes: law });
});

t.test('other parts are passed over, and a length that is not known is that of the file', async (t) => {
  const wav = buildWav({ data: pcm });
  const list = Buffer.from('LIST\x03\0\0\0abc\0', 'latin1');
  const listed = Buffer.concat([wav.subarray(0, 12), list, wav.subarray(12)]);
  t.same(readSound(listed, 'x').bytes, pcm, 'a part of odd length is padded');
  t.same(readSound(buildWav({ data: pcm, stated: 0xffffffff }), 'x').bytes, pcm);
});

t.test('what cannot be played is refused, and told why', async (t) => {
  const wav = buildWav({ data: pcm });
  const cases: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /no WAV file/],
    [Buffer.from('ID3'), /no WAV file/],
    [wav.subarray(0, 20), /breaks off in its part "fmt "/],
    [wav.subarray(0, 36), /holds no audio/],
    [wav.subarray(0, 44), /breaks off in its part "data"/],
    [buildWav({ data: Buffer.alloc(0) }), /holds no audio/],
    [Buffer.concat([wav.subarray(0, 12), wav.subarray(36)]), /format is missing/],
    [buildWav({ channels: 2, data: pcm }), /2 channels at 8000 Hz, and 1 at 8000 Hz/],
    [buildWav({ rate: 44100, data: pcm }), /at 44100 Hz/],
    [buildWav({ format: 3, bits: 32, data: pcm }), /format 3 with 32 bits/],
    [buildWav({ bits: 24, data: pcm }), /format 1 with 24 bits/],
    [buildWav({ data: Buffer.alloc(300 * 16_000 + 2) }), /more than 300 s/],
  ];
  for (const [bytes, message] of cases)
    t.throws(() => readSound(bytes, 'x'), { code: 'SOUND_UNUSABLE', message, hint: /ffmpeg/ }, `${message}`);
});

t.test('any bytes are a sound or a reason', async () => {
  const wav = buildWav({ data: pcm });
  const damaged = fc.tuple(fc.nat(wav.length - 1), fc.nat(255)).map(([at, byte]) => {
    const copy = Buffer.from(wav);
    copy[at] = byte;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array().map(Buffer.from)), (bytes) => {
      try {
        readSound(bytes, 'x');
      } catch (thrown) {
        return thrown instanceof GrecError;
      }
      return true;
    }),
  );
});

t.test('a file that is none, is no file, or is too large', async (t) => {
  const directory = t.testdir({ 'a.wav': buildWav({ data: pcm }) });
  t.same(loadSound(join(directory, 'a.wav')).bytes, pcm);
  t.throws(() => loadSound(join(directory, 'none.wav')), { code: 'SOUND_UNUSABLE', message: /ENOENT/ });
  mkdirSync(join(directory, 'folder'));
  t.throws(() => loadSound(join(directory, 'folder')), { message: /it is no file/ });
  execFileSync('mkfifo', [join(directory, 'pipe')]);
  t.throws(() => loadSound(join(directory, 'pipe')), { message: /it is no file/ }, 'nobody is waited for');
  writeFileSync(join(directory, 'large.wav'), Buffer.alloc(6_000_000));
  t.throws(() => loadSound(join(directory, 'large.wav')), { message: /300 s at most/ });
});
