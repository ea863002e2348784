// The file that a mixdown writes: samples in, in order, WAV or what ffmpeg makes of them out.
import { type FileHandle, open } from 'node:fs/promises';
import type { AudioFormat } from '../archive/audio-format.ts';
import { GrecError } from '../errors.ts';
import { encodeAlaw, encodeMulaw } from '../rtp/g711.ts';
import type { SpoolKeys } from '../spool/sealed-capture.ts';
import { openEncodedFile } from './encoded-file.ts';
import { G711_HEADER_BYTES, g711Header, type Law, longestWav, WAV_HEADER_BYTES, wavHeader } from './wav.ts';

/** Written from front to back. */
export interface AudioFile {
  /** How many it has. */
  readonly channels: number;
  /** Takes interleaved little-endian PCM16, which is only valid until the promise resolves. */
  write(bytes: Buffer): Promise<void>;
  /** Makes the file whole, and durable. */
  finish(): Promise<void>;
  /** Lets go of everything, however far it came. */
  close(): Promise<void>;
}

export interface AudioSetting {
  format?: AudioFormat | undefined;
  /** `two`: one channel for each party, where the format takes that, else one for each side; `mixed`: one for all. */
  channels?: 'two' | 'mixed' | undefined;
  /** `[export] ffmpeg`. */
  ffmpeg?: string | undefined;
  /** How long ffmpeg may stand still, in milliseconds. */
  stallMs?: number | undefined;
  /** With which captures are encrypted in the spool. */
  spoolKeys?: SpoolKeys | undefined;
}

export interface AudioTarget extends AudioSetting {
  file: string;
  /** Of each channel that comes in: 0 left, the agents' side, 1 right. */
  sides: readonly (0 | 1)[];
  /** Hertz. */
  sampleRate: number;
  /** Asked with the first sample. */
  law: () => Law;
}

/**
 * @param target its file is created or replaced
 * @throws GrecError FFMPEG_MISSING; Node's system errors
 */
export async function openAudioFile(target: AudioTarget): Promise<AudioFile> {
  const { format = 'wav', sides, file, sampleRate, law } = target;
  const outputs = outputsOf(target);
  const count = Math.max(...outputs) + 1;
  const opened =
    format === 'wav' || format === 'wav-g711'
      ? new WavFile(await open(file, 'w', 0o640), count, sampleRate, format === 'wav' ? undefined : law)
      : await openEncodedFile({ ...target, format, count });
  return count === sides.length ? opened : mixing(opened, outputs);
}

/** As many as FLAC has places for. */
const MOST_CHANNELS = 8;

/** On which channel of the file each one is heard. */
function outputsOf({ format = 'wav', channels = 'two', sides }: AudioTarget): number[] {
  if (channels === 'mixed') return sides.map(() => 0);
  const hasMany = format !== 'opus' && format !== 'mp3' && sides.length <= MOST_CHANNELS;
  return sides.map((side, channel) => (hasMany || sides.length === 2 ? channel : side));
}

/** Fewer channels than come in: sums, which stop at the loudest sample that there is. */
function mixing(file: AudioFile, outputs: readonly number[]): AudioFile {
  const { channels } = file;
  const sums = new Array<number>(channels).fill(0);
  return {
    channels,
    write: (bytes) => {
      const frames = bytes.length / (2 * outputs.length);
      const mixed = Buffer.alloc(frames * channels * 2);
      for (let frame = 0; frame < frames; frame += 1) {
        sums.fill(0);
        for (const [input, output] of outputs.entries())
          sums[output] = (sums[output] ?? 0) + bytes.readInt16LE(2 * (frame * outputs.length + input));
        for (const [output, sum] of sums.entries())
          mixed.writeInt16LE(Math.max(-32_768, Math.min(32_767, sum)), 2 * (frame * channels + output));
      }
      return file.write(mixed);
    },
    finish: () => file.finish(),
    close: () => file.close(),
  };
}

class WavFile implements AudioFile {
  readonly channels: number;
  readonly #output: FileHandle;
  readonly #sampleRate: number;
  readonly #askLaw: (() => Law) | undefined;
  #table: Uint8Array | undefined;
  #law: Law = 'PCMU';
  #frames = 0;

  constructor(output: FileHandle, channels: number, sampleRate: number, law: (() => Law) | undefined) {
    this.#output = output;
    this.channels = channels;
    this.#sampleRate = sampleRate;
    this.#askLaw = law;
  }

  async write(bytes: Buffer): Promise<void> {
    const frameBytes = this.channels * 2;
    const frames = this.#frames;
    this.#frames += bytes.length / frameBytes;
    if (this.#frames > longestWav(this.channels))
      throw new GrecError('AUDIO_UNDECODABLE', 'the recording is longer than a WAV file can hold (37 hours)');
    if (this.#askLaw === undefined)
      return writeAll(this.#output, bytes, WAV_HEADER_BYTES + frames * frameBytes);
    if (frames === 0) this.#law = this.#askLaw();
    this.#table ??= compressions(this.#law);
    const law = compress(bytes, this.#table);
    await writeAll(this.#output, law, G711_HEADER_BYTES + frames * this.channels);
  }

  async finish(): Promise<void> {
    const [channels, rate] = [this.channels, this.#sampleRate];
    const bytes = this.#frames * channels;
    // Chunks of RIFF begin at even places.
    if (this.#askLaw !== undefined && bytes % 2 === 1)
      await writeAll(this.#output, Buffer.alloc(1), G711_HEADER_BYTES + bytes);
    const header =
      this.#askLaw === undefined
        ? wavHeader(this.#frames, channels, rate)
        : g711Header(this.#law, this.#frames, channels, rate);
    await writeAll(this.#output, header, 0);
    await this.#output.sync();
  }

  close(): Promise<void> {
    return this.#output.close();
  }
}

/** The byte of each sample, by its 16 bits. */
function compressions(law: Law): Uint8Array {
  const encode = law === 'PCMA' ? encodeAlaw : encodeMulaw;
  return Uint8Array.from({ length: 65_536 }, (_, bits) => encode((bits << 16) >> 16));
}

function compress(bytes: Buffer, table: Uint8Array): Buffer {
  const law = Buffer.alloc(bytes.length / 2);
  for (let at = 0; at < law.length; at += 1) law[at] = table[bytes.readUInt16LE(2 * at)] ?? 0;
  return law;
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
