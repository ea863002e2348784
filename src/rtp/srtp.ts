// SRTP and SRTCP of one party: packets protected and opened in place, each source with its own counters (RFC 3711 section 3).
import { RTP_HEADER_BYTES, rtpHeaderLength, rtpSequenceNumber, rtpSsrc } from './header.ts';
import { LONGEST_PACKET, type SrtpLibrary, TAG_AT, WORK } from './srtp-cipher.ts';
import { guessIndex, ReplayWindow } from './srtp-index.ts';
import { createSrtpKey, ENCRYPTED, SRTCP_INDEX_BYTES, type SrtpKey } from './srtp-key.ts';
import type { SrtpMasterKey } from './srtp-keys.ts';
import { srtpLibrary } from './srtp-library.ts';
import type { SrtpSuite } from './srtp-suite.ts';

/** Why a packet was refused; as a number it is the place here, negative and one lower. */
export const SRTP_REFUSALS = [
  /** It has fewer bytes than header and tag take, or more than any datagram. */
  'too-short',
  /** Its tag is not that of its key: it was changed, or it is somebody else's. */
  'forged',
  /** It came before, or is older than what came before can be told. */
  'replayed',
  /** More sources under one key than there may be. */
  'too-many-sources',
  /** It names a master key that nobody knows, or there is none yet. */
  'no-key',
  /** The key has protected as many packets as it may. */
  'worn-out',
] as const;
export type SrtpRefusal = (typeof SRTP_REFUSALS)[number];

const TOO_SHORT = -1;
const FORGED = -2;
const REPLAYED = -3;
const TOO_MANY_SOURCES = -4;
const NO_KEY = -5;
const WORN_OUT = -6;

/** @param result of a method below, negative */
export function srtpRefusal(result: number): SrtpRefusal {
  return SRTP_REFUSALS[-result - 1] ?? 'no-key';
}

/** By how many bytes a packet may grow: its room must be so much longer. */
export const SRTP_OVERHEAD_BYTES = 24;
const LONGEST_CLEAR = LONGEST_PACKET - SRTP_OVERHEAD_BYTES;
/** Header, and SSRC of the first report. */
const RTCP_CLEAR_BYTES = 8;
/** An evicted source could be heard a second time by us, so only whoever has the key can bring it so far. */
const MOST_HEARD_SOURCES = 64;
/** A source that was forgotten would be encrypted with the same keystream again, so none is. */
const MOST_SENT_SOURCES = 256;
/**
 * Roll-over counters that are tried for a source that was never heard: a party that moves here in mid-call goes on counting, and
 * 65,536 packets of 20 ms are 22 minutes.
 */
const MOST_ROLLOVERS = 16;
const SEQUENCE_NUMBERS = 0x10000;
const LAST_RTCP_INDEX = 2 ** 31 - 1;

class Source {
  readonly rtp = new ReplayWindow();
  readonly rtcp = new ReplayWindow();
  /** The last SRTCP index that was used. */
  rtcpIndex = 0;
}

/** Protects what goes to a party. */
export class SrtpSender {
  readonly #key: SrtpKey;
  readonly #rtpTagBytes: number;
  readonly #rtcpOverhead: number;
  readonly #sources = new Map<number, Source>();
  #isClosed = false;

  constructor(suite: SrtpSuite, master: SrtpMasterKey, library: SrtpLibrary = srtpLibrary()) {
    this.#key = createSrtpKey(library, suite, master);
    this.#rtpTagBytes = suite.rtpTagBytes;
    this.#rtcpOverhead = SRTCP_INDEX_BYTES + suite.rtcpTagBytes;
  }

  /**
   * Protects the RTP packet at `at` in place.
   * @param memory has {@link SRTP_OVERHEAD_BYTES} of room behind it
   * @returns its new length, or a refusal (negative): it must not be sent
   */
  protectRtp(memory: Buffer, at: number, length: number): number {
    if (this.#isClosed) return NO_KEY;
    if (length < RTP_HEADER_BYTES || length > LONGEST_CLEAR) return TOO_SHORT;
    memory.copy(WORK, 0, at, at + length);
    if (rtpHeaderLength(WORK) > length) return TOO_SHORT;
    const ssrc = rtpSsrc(WORK);
    const source = this.#sourceOf(ssrc);
    if (source === undefined) return TOO_MANY_SOURCES;
    const index = guessIndex(source.rtp.highest, rtpSequenceNumber(WORK));
    if (index < 0) return WORN_OUT;
    // A second packet of one index would have the keystream of the first.
    if (source.rtp.isReplayed(index)) return REPLAYED;
    source.rtp.accept(index);
    if (!this.#key.protectRtp(length, ssrc, index)) return NO_KEY;
    return giveBack(memory, at, length + this.#rtpTagBytes);
  }

  /** The same for an RTCP packet, compound or not. */
  protectRtcp(memory: Buffer, at: number, length: number): number {
    if (this.#isClosed) return NO_KEY;
    if (length < RTCP_CLEAR_BYTES || length > LONGEST_CLEAR) return TOO_SHORT;
    memory.copy(WORK, 0, at, at + length);
    const ssrc = WORK.readUInt32BE(4);
    const source = this.#sourceOf(ssrc);
    if (source === undefined) return TOO_MANY_SOURCES;
    if (source.rtcpIndex >= LAST_RTCP_INDEX) return WORN_OUT;
    source.rtcpIndex += 1;
    if (!this.#key.protectRtcp(length, ssrc, source.rtcpIndex)) return NO_KEY;
    return giveBack(memory, at, length + this.#rtcpOverhead);
  }

  #sourceOf(ssrc: number): Source | undefined {
    const known = this.#sources.get(ssrc);
    if (known !== undefined || this.#sources.size >= MOST_SENT_SOURCES) return known;
    const source = new Source();
    this.#sources.set(ssrc, source);
    return source;
  }

  /** Forgets the keys; nothing is protected any more. */
  close(): void {
    this.#isClosed = true;
    this.#key.close();
  }
}

/** One of the master keys of a party (RFC 4568 section 6.1). */
export interface SrtpReceivingKey {
  master: SrtpMasterKey;
  /** Bytes that packets under this key carry before their tag (AES-CM) or at their end (AES-GCM); left out for none. */
  mki?: Buffer | undefined;
}

/** Opens what comes from a party, under one set of master keys. */
export class SrtpReceiver {
  readonly #suite: SrtpSuite;
  readonly #keys: readonly { key: SrtpKey; mki: Buffer | undefined; sources: Map<number, Source> }[];
  readonly #mkiBytes: number;
  #isClosed = false;

  /** @param keys several only with MKIs of one length */
  constructor(suite: SrtpSuite, keys: readonly SrtpReceivingKey[], library: SrtpLibrary = srtpLibrary()) {
    this.#suite = suite;
    this.#keys = keys.map(({ master, mki }) => ({
      key: createSrtpKey(library, suite, master),
      mki,
      sources: new Map(),
    }));
    this.#mkiBytes = keys[0]?.mki?.length ?? 0;
  }

  /**
   * Opens the SRTP packet at `at` in place.
   * @returns the length of the RTP packet, or a refusal (negative): the bytes are as they were
   */
  unprotectRtp(memory: Buffer, at: number, length: number): number {
    const { rtpTagBytes } = this.#suite;
    const clear = length - rtpTagBytes - this.#mkiBytes;
    if (this.#isClosed) return NO_KEY;
    if (clear < RTP_HEADER_BYTES || length > LONGEST_PACKET) return TOO_SHORT;
    memory.copy(WORK, 0, at, at + clear);
    if (rtpHeaderLength(WORK) > clear) return TOO_SHORT;
    const { isAead } = this.#suite;
    const keyed = this.#keyOf(memory, at + (isAead ? length - this.#mkiBytes : clear));
    if (keyed === undefined) return NO_KEY;
    const tagAt = isAead ? at + clear : at + length - rtpTagBytes;
    const ssrc = rtpSsrc(WORK);
    const source = keyed.sources.get(ssrc);
    if (source !== undefined && source.rtp.highest >= 0)
      return this.#openKnown(keyed.key, source, ssrc, memory, at, clear, tagAt);
    return this.#openNew(keyed, ssrc, memory, at, clear, tagAt);
  }

  #openKnown(
    key: SrtpKey,
    source: Source,
    ssrc: number,
    memory: Buffer,
    at: number,
    clear: number,
    tagAt: number,
  ): number {
    const index = guessIndex(source.rtp.highest, rtpSequenceNumber(WORK));
    if (index < 0) return WORN_OUT;
    if (source.rtp.isReplayed(index)) return REPLAYED;
    memory.copy(WORK, TAG_AT, tagAt, tagAt + this.#suite.rtpTagBytes);
    if (!key.unprotectRtp(clear, ssrc, index)) return FORGED;
    source.rtp.accept(index);
    return giveBack(memory, at, clear);
  }

  /** Nothing is kept of a source before a packet of it has proved to be of the key. */
  #openNew(
    { key, sources }: { key: SrtpKey; sources: Map<number, Source> },
    ssrc: number,
    memory: Buffer,
    at: number,
    clear: number,
    tagAt: number,
  ): number {
    const sequenceNumber = rtpSequenceNumber(WORK);
    for (let rollover = 0; rollover < MOST_ROLLOVERS; rollover += 1) {
      const index = rollover * SEQUENCE_NUMBERS + sequenceNumber;
      memory.copy(WORK, 0, at, at + clear);
      memory.copy(WORK, TAG_AT, tagAt, tagAt + this.#suite.rtpTagBytes);
      if (!key.unprotectRtp(clear, ssrc, index)) continue;
      admit(sources, ssrc).rtp.accept(index);
      return giveBack(memory, at, clear);
    }
    return FORGED;
  }

  /** The same for an SRTCP packet. */
  unprotectRtcp(memory: Buffer, at: number, length: number): number {
    const { rtcpTagBytes, isAead } = this.#suite;
    const clear = length - rtcpTagBytes - SRTCP_INDEX_BYTES - this.#mkiBytes;
    if (this.#isClosed) return NO_KEY;
    if (clear < RTCP_CLEAR_BYTES || length > LONGEST_PACKET) return TOO_SHORT;
    const wordAt = at + clear + (isAead ? rtcpTagBytes : 0);
    const keyed = this.#keyOf(memory, wordAt + SRTCP_INDEX_BYTES);
    if (keyed === undefined) return NO_KEY;
    memory.copy(WORK, 0, at, at + clear);
    const tagAt = isAead ? at + clear : at + length - rtcpTagBytes;
    memory.copy(WORK, TAG_AT, tagAt, tagAt + rtcpTagBytes);
    const word = memory.readUInt32BE(wordAt);
    const index = word % ENCRYPTED;
    const ssrc = WORK.readUInt32BE(4);
    if (keyed.sources.get(ssrc)?.rtcp.isReplayed(index) === true) return REPLAYED;
    if (!keyed.key.unprotectRtcp(clear, ssrc, word)) return FORGED;
    admit(keyed.sources, ssrc).rtcp.accept(index);
    return giveBack(memory, at, clear);
  }

  /** By the MKI that stands there. */
  #keyOf(memory: Buffer, mkiAt: number) {
    if (this.#mkiBytes === 0) return this.#keys[0];
    for (const keyed of this.#keys) {
      const { mki } = keyed;
      if (mki !== undefined && mki.compare(memory, mkiAt, mkiAt + this.#mkiBytes) === 0) return keyed;
    }
    return undefined;
  }

  close(): void {
    this.#isClosed = true;
    for (const { key } of this.#keys) key.close();
  }
}

/** The source, new or not; the first one makes room, and proves itself anew when it still speaks. */
function admit(sources: Map<number, Source>, ssrc: number): Source {
  const known = sources.get(ssrc);
  if (known !== undefined) return known;
  if (sources.size >= MOST_HEARD_SOURCES) {
    const [oldest] = sources.keys();
    if (oldest !== undefined) sources.delete(oldest);
  }
  const source = new Source();
  sources.set(ssrc, source);
  return source;
}

function giveBack(memory: Buffer, at: number, length: number): number {
  WORK.copy(memory, at, 0, length);
  return length;
}
