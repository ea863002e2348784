// Proves that a recorded channel holds exactly what was sent, and silence everywhere else.

/** Offsets are in samples of the channel; negative when the channel lacks the beginning of what was sent. */
export type Comparison =
  | { exact: true; offset: number }
  | { exact: false; offset: number | undefined; firstDifference: Difference };

/** The first sample that is not as it should be; `found` is undefined where the channel has no sample at all. */
export interface Difference {
  at: number;
  expected: number;
  found: number | undefined;
}

/** Length of the pieces that are looked for, in samples: 40 ms at 8 kHz, long enough to be unlike any other. */
const PROBE_SAMPLES = 320;

/**
 * Finds `sent` within `channel` and compares every sample, in both directions: all of it must be there, its silences
 * too, and what stands outside of it must be zero.
 * When nothing of it is found, `offset` is undefined and the difference is told for offset 0.
 */
export function findAudio(channel: Int16Array, sent: Int16Array): Comparison {
  const offset = locate(channel, sent);
  const firstDifference = differenceAt(channel, sent, offset ?? 0);
  if (firstDifference !== undefined) return { exact: false, offset, firstDifference };
  return { exact: true, offset: offset ?? 0 };
}

/** Looks for pieces of what was sent, one after the other, so that one damaged place does not hide the rest. */
function locate(channel: Int16Array, sent: Int16Array): number | undefined {
  const haystack = bytesOf(channel);
  for (let start = 0; start < sent.length; start += PROBE_SAMPLES) {
    const probe = sent.subarray(start, start + PROBE_SAMPLES);
    if (!isDistinct(probe)) continue;
    const found = indexOfSamples(haystack, bytesOf(probe));
    if (found !== undefined) return found - start;
  }
  return undefined;
}

/** Silence and hum occur anywhere; a piece that moves through many values does not. */
function isDistinct(probe: Int16Array): boolean {
  return new Set(probe).size >= Math.min(16, probe.length / 4) && probe.some((sample) => sample !== 0);
}

function indexOfSamples(haystack: Buffer, needle: Buffer): number | undefined {
  let at = haystack.indexOf(needle);
  while (at >= 0 && at % 2 === 1) at = haystack.indexOf(needle, at + 1);
  return at < 0 ? undefined : at / 2;
}

function differenceAt(channel: Int16Array, sent: Int16Array, offset: number): Difference | undefined {
  const end = Math.max(channel.length, offset + sent.length);
  for (let at = Math.min(0, offset); at < end; at += 1) {
    const expected = sent[at - offset] ?? 0;
    const found = channel[at];
    if (expected !== found) return { at, expected, found };
  }
  return undefined;
}

function bytesOf(samples: Int16Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}
