// IP fragments put together again (RFC 791 section 3.2, RFC 8200 section 4.5), in bounded memory.
import type { IpPacket } from './ip.ts';

/** Packets that wait for their other fragments. */
const MOST_PACKETS = 256;
const LARGEST_PAYLOAD_BYTES = 65_535;
/** A SIP message of 64 KB in the smallest fragments that links make. */
const MOST_PARTS = 128;
/** How long the rest is waited for, in microseconds of the capture. */
const PATIENCE_US = 30_000_000;

interface Waiting {
  since: number;
  parts: { offset: number; bytes: Buffer }[];
  /** Length of the whole, once the last fragment has come. */
  length: number | undefined;
}

export class Fragments {
  readonly #waiting = new Map<string, Waiting>();

  /** @returns the whole payload when this fragment completes it; a packet that is whole as it is */
  add(packet: IpPacket, at: number): Buffer | undefined {
    const { fragment, payload, isCut } = packet;
    if (fragment === undefined) return payload;
    if (isCut || fragment.offset + payload.length > LARGEST_PAYLOAD_BYTES) return undefined;
    const key = keyOf(packet, fragment.id);
    const waiting = this.#recall(key, at);
    if (fragment.isLast) waiting.length = fragment.offset + payload.length;
    // Parts that come twice change nothing; overlapping ones are an attack (RFC 5722), the first stays.
    const isNew = waiting.parts.every(({ offset }) => offset !== fragment.offset);
    // A copy: a view would keep the whole piece of the file.
    if (isNew) waiting.parts.push({ offset: fragment.offset, bytes: Buffer.from(payload) });
    const whole = assemble(waiting);
    if (whole !== undefined || waiting.parts.length >= MOST_PARTS) this.#waiting.delete(key);
    return whole;
  }

  #recall(key: string, at: number): Waiting {
    const known = this.#waiting.get(key);
    if (known !== undefined && Math.abs(at - known.since) <= PATIENCE_US) return known;
    this.#waiting.delete(key);
    const [oldest] = this.#waiting.keys();
    if (oldest !== undefined && this.#waiting.size >= MOST_PACKETS) this.#waiting.delete(oldest);
    const fresh: Waiting = { since: at, parts: [], length: undefined };
    this.#waiting.set(key, fresh);
    return fresh;
  }
}

function keyOf({ source, destination, protocol }: IpPacket, id: number): string {
  return `${source.toString('latin1')}${destination.toString('latin1')}${protocol} ${id}`;
}

function assemble({ parts, length }: Waiting): Buffer | undefined {
  if (length === undefined) return undefined;
  parts.sort((one, other) => one.offset - other.offset);
  let reached = 0;
  const whole: Buffer[] = [];
  for (const { offset, bytes } of parts) {
    if (offset !== reached) return undefined;
    whole.push(bytes);
    reached += bytes.length;
  }
  return reached === length ? Buffer.concat(whole) : undefined;
}
