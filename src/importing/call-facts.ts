// What a capture tells of one call: its parties, when it was answered and ended, and where each party wanted its media.
import type { Format } from '../spool/segment.ts';

export type Side = 'a' | 'b';

/** A party as its messages name it. */
export interface CapturedParty {
  number: string;
  uri: string;
  name?: string;
}

/** One session description of one party. */
export interface Described {
  at: number;
  side: Side;
  /** The party's tag: a call that forks has several for side b. */
  tag: string;
  /** Where it wants RTP and RTCP, see capture/endpoint.ts; undefined for a hold by address. */
  rtp: string | undefined;
  rtcp: string | undefined;
  address: string;
  /** What it wants to receive. */
  formats: Format[];
  /** SRTP: what is sent to it cannot be read. */
  isSecure: boolean;
}

/** One dialog. Times are microseconds since 1970. */
export interface CapturedCall {
  callId: string;
  /** Tags of the caller and of the callee that answered. */
  tags: { a: string; b: string };
  parties: { a: CapturedParty; b: CapturedParty };
  createdAt: number;
  ringingAt?: number;
  answeredAt?: number;
  releasedAt?: number;
  releasedBy?: Side;
  /** Its last SIP message. */
  lastAt: number;
  /** UUIDs of its Session-ID headers (RFC 7989). */
  sessionIds: Set<string>;
  described: Described[];
}

export type AnsweredCall = CapturedCall & { answeredAt: number };

export function otherSide(side: Side): Side {
  return side === 'a' ? 'b' : 'a';
}
