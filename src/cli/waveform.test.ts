// The waveform: channels, levels, silence, times, and files that are none.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stereoWav } from './fixtures/state.ts';
import { renderWaveform } from './waveform.ts';

t.test(
  'levels in decibels: full scale fills the band, half of it (-6 dB) a seventh less, silence is a line',
  async (t) => {
    const file = join(t.testdir(), 'a.wav');
    writeFileSync(file, stereoWav());
    t.strictSame(renderWaveform(file, { columns: 26 }), [
      '  ▆▆▆▆▆▆▆▆▆▆▆▆',
      'L ████████████▁▁▁▁▁▁▁▁▁▁▁▁',
      '              ████████████',
      'R ▁▁▁▁▁▁▁▁▁▁▁▁████████████',
      '  0:00.0   0:01.0   0:02.0',
    ]);
    t.strictSame(renderWaveform(file, { columns: 18, rows: 1 }), [
      'L ▇▇▇▇▇▇▇▇▁▁▁▁▁▁▁▁',
      'R ▁▁▁▁▁▁▁▁████████',
      '  0:00.0    0:02.0',
    ]);
  },
);

t.test('each channel is painted by its number', async (t) => {
  const file = join(t.testdir(), 'a.wav');
  writeFileSync(file, stereoWav());
  const seen = new Set<number>();
  renderWaveform(file, {
    columns: 20,
    paint: (channel, band) => {
      seen.add(channel);
      return band;
    },
  });
  t.strictSame([...seen], [0, 1]);
});

t.test('other chunks are passed over, a length beyond the file is cut', async (t) => {
  const [file, plain] = [join(t.testdir(), 'a.wav'), join(t.testdirName, 'b.wav')];
  const wav = stereoWav();
  const extra = Buffer.concat([Buffer.from('LIST\x03\0\0\0abc\0', 'latin1')]);
  const cut = Buffer.concat([wav.subarray(0, 36), extra, wav.subarray(36)]);
  cut.writeUInt32LE(0xffff_ffff, 36 + extra.length + 4);
  writeFileSync(file, cut);
  writeFileSync(plain, wav);
  t.strictSame(renderWaveform(file, { columns: 40 }), renderWaveform(plain, { columns: 40 }));
});

t.test('no samples at all', async (t) => {
  const file = join(t.testdir(), 'a.wav');
  const head = stereoWav().subarray(0, 44);
  head.writeUInt32LE(0, 40);
  writeFileSync(file, head);
  t.equal(renderWaveform(file, { columns: 20, rows: 1 })[0], `L ${'▁'.repeat(18)}`);
});

t.test('what is no PCM WAV file is refused with its name', async (t) => {
  const file = join(t.testdir(), 'a.wav');
  const mulaw = stereoWav();
  mulaw.writeUInt16LE(7, 20);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('RIFF'),
    Buffer.alloc(100),
    stereoWav().subarray(0, 36),
    mulaw,
  ]) {
    writeFileSync(file, bytes);
    t.throws(() => renderWaveform(file, { columns: 20 }), {
      code: 'RECORDING_UNREADABLE',
      message: `cannot read ${file}`,
    });
  }
  t.throws(() => renderWaveform('/nonexistent.wav', { columns: 20 }), { code: 'RECORDING_UNREADABLE' });
});
