// One captured frame, whatever the capture's format: pcap (draft-ietf-opsawg-pcap) or pcapng (draft-ietf-opsawg-pcapng).

export interface Frame {
  /** Wall clock, microseconds since 1970. */
  at: number;
  /** LINKTYPE of the interface that saw it. */
  linkType: number;
  /** A view into the bytes that were read; it stays valid. */
  bytes: Buffer;
  /** Bytes that were on the wire and are not here: the capture's snap length cut them off. */
  cut: number;
}

/** Reads a capture in pieces of any size; memory is bounded by the largest frame. */
export interface FrameReader {
  /** The whole frames up to the end of this piece. */
  push(piece: Buffer): Iterable<Frame>;
  /** Why reading ended before the end, if it did: nothing more is read then. */
  readonly problem: string | undefined;
  /** Bytes of an unfinished frame at the end of what was read. */
  readonly pending: number;
  /** Frames without a time, and records of other kinds that look like frames and are unusable. */
  readonly unusable: number;
}

/** The largest frame or block that is believed: a length beyond it is a lie or a broken file. */
export const LARGEST_RECORD_BYTES = 4 << 20;
