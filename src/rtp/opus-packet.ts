// How long an Opus packet sounds, and whether it is one: RFC 6716 section 3.

/** Ticks of the RTP clock a second, whatever the encoder's rate is (RFC 7587 section 4.1). */
export const OPUS_CLOCK_RATE = 48_000;
const TICKS_PER_MS = OPUS_CLOCK_RATE / 1000;
const LONGEST_TICKS = 120 * TICKS_PER_MS;
const LONGEST_FRAME_BYTES = 1275;
/** Milliseconds of a frame by configuration: SILK has four lengths, hybrid two, CELT four (table 2). */
const SILK_MS = [10, 20, 40, 60];
const HYBRID_MS = [10, 20];
const CELT_MS = [2.5, 5, 10, 20];

/**
 * The length of a packet in ticks of 48 kHz.
 * @returns undefined for bytes that break one of the rules R1 to R7 of section 3.4: a decoder would refuse them
 */
export function opusTicks(packet: Uint8Array): number | undefined {
  const toc = packet[0];
  if (toc === undefined) return undefined;
  const frames = countFrames(packet, toc & 3);
  if (frames === undefined) return undefined;
  const ticks = frames * frameMs(toc >> 3) * TICKS_PER_MS;
  return ticks <= LONGEST_TICKS ? ticks : undefined;
}

function frameMs(configuration: number): number {
  if (configuration < 12) return SILK_MS[configuration & 3] ?? 0;
  return (configuration < 16 ? HYBRID_MS[configuration & 1] : CELT_MS[configuration & 3]) ?? 0;
}

function countFrames(packet: Uint8Array, code: number): number | undefined {
  const bytes = packet.length - 1;
  if (code === 0) return bytes <= LONGEST_FRAME_BYTES ? 1 : undefined;
  if (code === 1) return bytes % 2 === 0 && bytes / 2 <= LONGEST_FRAME_BYTES ? 2 : undefined;
  if (code === 3) return countAnyFrames(packet);
  const first = readLength(packet, 1);
  const rest = first === undefined ? -1 : bytes - first.bytes - first.length;
  return rest >= 0 && rest <= LONGEST_FRAME_BYTES ? 2 : undefined;
}

/** Code 3: a count, padding, and lengths where they differ (section 3.2.5). */
function countAnyFrames(packet: Uint8Array): number | undefined {
  const header = packet[1] ?? 0;
  const count = header & 0x3f;
  if (count === 0) return undefined;
  const body = withoutPadding(packet, (header & 0x40) !== 0);
  if (body === undefined) return undefined;
  let { at, left } = body;
  if ((header & 0x80) === 0)
    return left % count === 0 && left / count <= LONGEST_FRAME_BYTES ? count : undefined;
  for (let frame = 1; frame < count; frame += 1) {
    const next = readLength(packet, at);
    if (next === undefined) return undefined;
    at += next.bytes;
    left -= next.bytes + next.length;
  }
  return left >= 0 && left <= LONGEST_FRAME_BYTES ? count : undefined;
}

/** Where the lengths or the frames begin, and how many bytes there are up to the padding. */
function withoutPadding(packet: Uint8Array, isPadded: boolean): { at: number; left: number } | undefined {
  let at = 2;
  let padding = 0;
  for (let more = isPadded; more; at += 1) {
    const byte = packet[at];
    if (byte === undefined) return undefined;
    more = byte === 255;
    padding += more ? 254 : byte;
  }
  const left = packet.length - at - padding;
  return left < 0 ? undefined : { at, left };
}

/** The length of one frame (section 3.2.1), and the bytes that tell it. */
function readLength(packet: Uint8Array, at: number): { length: number; bytes: number } | undefined {
  const first = packet[at];
  if (first === undefined) return undefined;
  if (first < 252) return { length: first, bytes: 1 };
  const second = packet[at + 1];
  return second === undefined ? undefined : { length: second * 4 + first, bytes: 2 };
}
