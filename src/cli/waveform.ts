// A recording as a picture in the terminal: one band of blocks for each channel, and the time below.
import { readWav, type WavFormat } from '../archive/wav-file.ts';

export interface WaveformOptions {
  /** Width of every line. */
  columns: number;
  /** Lines for each channel; 2 by default. */
  rows?: number;
  /** Colours the band of a channel (0 left, 1 right …). */
  paint?: (channel: number, band: string) => string;
}

const BLOCKS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;
const STEPS = BLOCKS.length - 1;
/** What is quieter than this shows as the base line: hiss is not speech. Decibels below full scale. */
const FLOOR_DB = -42;
const FULL_SCALE = 32_768;

/**
 * Draws the peaks of each column, in decibels from -42 dB (base line) to full scale.
 * @param wavPath a 16-bit PCM WAV file
 * @returns `rows` lines for each channel, a mark `L`, `R`, `3` … before the last, then one line with the times
 * @throws GrecError RECORDING_UNREADABLE
 */
export function renderWaveform(wavPath: string, { columns, rows = 2, paint }: WaveformOptions): string[] {
  const width = Math.max(8, columns - 2);
  const { peaks, format } = readPeaks(wavPath, width);
  const bands = peaks.flatMap((channelPeaks, channel) =>
    drawBand(channelPeaks, rows).map((band, row) => {
      const mark = row === rows - 1 ? (['L', 'R'][channel] ?? String(channel + 1)) : ' ';
      return `${mark} ${paint?.(channel, band) ?? band}`.trimEnd();
    }),
  );
  return [...bands, `  ${drawTimes(format.frames / format.sampleRate, width)}`];
}

/** The highest absolute sample of each column, by channel. */
function readPeaks(wavPath: string, width: number): { peaks: Uint16Array[]; format: WavFormat } {
  let format: WavFormat = { sampleRate: 8000, channels: 0, frames: 0 };
  let peaks: Uint16Array[] = [];
  let frame = 0;
  readWav(
    wavPath,
    (found) => {
      format = found;
      peaks = Array.from({ length: found.channels }, () => new Uint16Array(width));
    },
    (samples, { channels, frames }) => {
      for (let at = 0; at < samples.length; at += channels, frame++) {
        const column = Math.floor((frame * width) / frames);
        for (let channel = 0; channel < channels; channel++) {
          const level = Math.abs(samples[at + channel] ?? 0);
          const found = peaks[channel];
          if (found !== undefined && level > (found[column] ?? 0)) found[column] = level;
        }
      }
    },
  );
  return { peaks, format };
}

/** From the top line to the base line. */
function drawBand(peaks: Uint16Array, rows: number): string[] {
  const heights = Array.from(peaks, (peak) => heightOf(peak, rows * STEPS));
  return Array.from({ length: rows }, (_, row) => {
    const below = (rows - 1 - row) * STEPS;
    return heights
      .map((height) => BLOCKS[Math.min(STEPS, Math.max(0, height - below))] ?? ' ')
      .join('')
      .trimEnd();
  });
}

/** In eighths of a line; at least 1, so that silence is seen as a line. */
function heightOf(peak: number, most: number): number {
  if (peak === 0) return 1;
  const decibels = 20 * Math.log10(peak / FULL_SCALE);
  return Math.max(1, Math.round((1 - decibels / FLOOR_DB) * most));
}

/** `0:00` at the left, the length at the right, the middle between when there is room. */
function drawTimes(seconds: number, width: number): string {
  const [start, middle, end] = [0, seconds / 2, seconds].map(showSeconds) as [string, string, string];
  const gap = width - start.length - end.length;
  if (gap < middle.length + 4) return `${start}${' '.repeat(Math.max(1, gap))}${end}`;
  const before = Math.floor((width - middle.length) / 2) - start.length;
  return `${start}${' '.repeat(before)}${middle}${' '.repeat(gap - before - middle.length)}${end}`;
}

function showSeconds(seconds: number): string {
  const tenths = Math.round(seconds * 10);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, '0')}`;
}
