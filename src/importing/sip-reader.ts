// SIP messages in a capture: a datagram each over UDP, out of reassembled streams over TCP (RFC 3261 section 18). Pure.
import type { Packet } from '../capture/packets.ts';
import { TcpStreams } from '../capture/tcp.ts';
import { type DecodeResult, decodeMessage } from '../sip/decode.ts';
import type { SipMessage } from '../sip/message.ts';
import { StreamDecoder } from '../sip/stream.ts';

const START_LINE = /^(?:SIP\/2\.0 [1-6]|[A-Z]{3,12} (?:sips?|tel):)/i;
const START_BYTES = 24;

/** Whether a SIP message begins with these bytes, as far as its first ones tell. */
export function looksLikeSip(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  // Letters alone begin a message; RTP begins with 128 and up.
  if (first < 0x41 || first > 0x7a) return false;
  return START_LINE.test(bytes.toString('latin1', 0, START_BYTES));
}

export class SipReader {
  messages = 0;
  /** Bytes that looked like SIP and could not be read. */
  malformed = 0;
  readonly #streams = new TcpStreams(looksLikeSip);
  readonly #decoders = new Map<string, StreamDecoder>();

  /** The messages that this packet completes. */
  read(packet: Packet): SipMessage[] {
    const messages = packet.sequence === undefined ? this.#readDatagram(packet) : this.#readStream(packet);
    this.messages += messages.length;
    return messages;
  }

  #readDatagram({ payload }: Packet): SipMessage[] {
    return looksLikeSip(payload) ? this.#keep(decodeMessage(payload)) : [];
  }

  #readStream({ source, destination, sequence = 0, payload, at }: Packet): SipMessage[] {
    const flow = source + destination;
    const pieces = this.#streams.add(flow, { sequence, payload }, at);
    return pieces.flatMap(({ isNew, bytes }) => {
      if (isNew) this.#decoders.delete(flow);
      return this.#readPiece(flow, bytes);
    });
  }

  #readPiece(flow: string, bytes: Buffer): SipMessage[] {
    const decoder = this.#decoders.get(flow) ?? this.#addDecoder(flow);
    return decoder.push(bytes).flatMap((item) => {
      if (!('fatal' in item)) return this.#keep(item);
      this.#decoders.delete(flow);
      this.#streams.forget(flow);
      return [];
    });
  }

  /** As many as there are streams: the oldest decoder goes when there are more. */
  #addDecoder(flow: string): StreamDecoder {
    const [oldest] = this.#decoders.keys();
    if (oldest !== undefined && this.#decoders.size >= 4096) {
      this.#decoders.delete(oldest);
      this.#streams.forget(oldest);
    }
    const decoder = new StreamDecoder();
    this.#decoders.set(flow, decoder);
    return decoder;
  }

  #keep(result: DecodeResult): SipMessage[] {
    if (result.ok) return [result.message];
    if (result.reason !== 'keep-alive') this.malformed += 1;
    return [];
  }
}
