// TCP as a capture shows it: each direction's bytes in order again (RFC 9293), in bounded memory.
//
// Only streams that begin, or go on, with something that the reader asks for are followed: all others cost nothing.

export interface TcpSegment {
  sequence: number;
  payload: Buffer;
}

/** The segment in an IP packet's payload; undefined when there is none. */
export function readTcp(
  bytes: Buffer,
): (TcpSegment & { sourcePort: number; destinationPort: number }) | undefined {
  if (bytes.length < 20) return undefined;
  const headerBytes = ((bytes[12] ?? 0) >> 4) * 4;
  if (headerBytes < 20 || headerBytes > bytes.length) return undefined;
  return {
    sourcePort: bytes.readUInt16BE(0),
    destinationPort: bytes.readUInt16BE(2),
    // SYN counts one, and what follows it is numbered from there.
    sequence: bytes.readUInt32BE(4) + ((bytes[13] ?? 0) & 2 ? 1 : 0),
    payload: bytes.subarray(headerBytes),
  };
}

/** Bytes in order. `isNew`: what came before on this flow does not lead up to them. */
export interface TcpPiece {
  isNew: boolean;
  bytes: Buffer;
}

const MOST_FLOWS = 4096;
const MOST_WAITING = 64;
const MOST_WAITING_BYTES = 1 << 18;
/** How long a gap is left open for segments that come out of order, in microseconds of the capture. */
const PATIENCE_US = 3_000_000;

interface Stream {
  next: number;
  waiting: TcpSegment[];
  waitingBytes: number;
  gapSince: number;
}

export class TcpStreams {
  readonly #streams = new Map<string, Stream>();
  readonly #isBeginning: (bytes: Buffer) => boolean;

  /** @param isBeginning whether a stream may be followed from a segment with these bytes on */
  constructor(isBeginning: (bytes: Buffer) => boolean) {
    this.#isBeginning = isBeginning;
  }

  /** @param flow names one direction of one connection */
  add(flow: string, segment: TcpSegment, at: number): TcpPiece[] {
    if (segment.payload.length === 0) return [];
    const stream = this.#streams.get(flow);
    if (stream === undefined) return this.#begin(flow, [segment]);
    // The least recently used one is the first of the map.
    this.#streams.delete(flow);
    this.#streams.set(flow, stream);
    if (((segment.sequence - stream.next) | 0) <= 0)
      return advance(stream, segment).map((bytes) => ({ isNew: false, bytes }));
    return this.#wait(flow, stream, segment, at);
  }

  /** What follows on this flow is not understood: it is followed again from the next beginning on. */
  forget(flow: string): void {
    this.#streams.delete(flow);
  }

  #wait(flow: string, stream: Stream, segment: TcpSegment, at: number): TcpPiece[] {
    if (stream.waiting.length === 0) stream.gapSince = at;
    stream.waiting.push({ sequence: segment.sequence, payload: Buffer.from(segment.payload) });
    stream.waitingBytes += segment.payload.length;
    const isTooMuch = stream.waiting.length > MOST_WAITING || stream.waitingBytes > MOST_WAITING_BYTES;
    if (!isTooMuch && at - stream.gapSince <= PATIENCE_US) return [];
    const from = stream.next;
    const inOrder = stream.waiting.sort(
      (one, other) => ((one.sequence - from) | 0) - ((other.sequence - from) | 0),
    );
    this.#streams.delete(flow);
    return this.#begin(flow, inOrder);
  }

  /** Follows a flow from the first segment on that may be a beginning. */
  #begin(flow: string, segments: readonly TcpSegment[]): TcpPiece[] {
    const start = segments.findIndex(({ payload }) => this.#isBeginning(payload));
    const first = segments[start];
    if (first === undefined) return [];
    const [oldest] = this.#streams.keys();
    if (oldest !== undefined && this.#streams.size >= MOST_FLOWS) this.#streams.delete(oldest);
    const waiting = segments.slice(start + 1);
    const waitingBytes = waiting.reduce((sum, { payload }) => sum + payload.length, 0);
    const stream: Stream = { next: first.sequence, waiting, waitingBytes, gapSince: 0 };
    this.#streams.set(flow, stream);
    return advance(stream, first).map((bytes, index) => ({ isNew: index === 0, bytes }));
  }
}

/** Takes a segment that leaves no gap, and all that waited for it. */
function advance(stream: Stream, segment: TcpSegment): Buffer[] {
  const pieces: Buffer[] = [];
  for (let next: TcpSegment | undefined = segment; next !== undefined; next = takeNext(stream)) {
    const known = -((next.sequence - stream.next) | 0);
    if (known >= next.payload.length) continue;
    pieces.push(next.payload.subarray(known));
    stream.next = (next.sequence + next.payload.length) >>> 0;
  }
  return pieces;
}

function takeNext(stream: Stream): TcpSegment | undefined {
  const index = stream.waiting.findIndex(({ sequence }) => ((sequence - stream.next) | 0) <= 0);
  const [found] = index < 0 ? [] : stream.waiting.splice(index, 1);
  stream.waitingBytes -= found?.payload.length ?? 0;
  return found;
}
