// The packet engine: legs, relay flows and taps. It says what happens to packets and never hands one out, so that an engine
// with a loop of its own (io_uring or epoll in a worker) fits behind it as well as node:dgram does.
import type { Endpoint } from '../../spool/pcap.ts';

/** Where a party's media is expected from and sent to, as its SDP says. */
export interface Remote {
  /** Numeric; unspecified (0.0.0.0 or ::) for a hold: nothing is sent there. */
  address: string;
  rtpPort: number;
  rtcpPort: number;
  /** Another host at which the party is known to be: the source of its signalling, outside its NAT. */
  alsoFrom?: string;
}

/** What arrived on one port from the party that it belongs to. */
export interface PortCounters {
  packets: number;
  bytes: number;
  /** Packets that could not be sent on from here, ICMP errors included. */
  errors: number;
  /** Wall clock of the last packet, microseconds since 1970; 0 when none came. */
  lastAt: number;
}

/** Packets that went nowhere, by reason. */
export interface DropCounters {
  'too-short': number;
  'not-rtp': number;
  truncated: number;
  /** Not from the party that the port belongs to. */
  stranger: number;
  /** The other party's address is not known yet, or it is on hold. */
  'no-destination': number;
  'send-failed': number;
}

export interface EngineCounters {
  relayed: number;
  /** Copied by taps. */
  recorded: number;
  /** As they stand in captures. */
  recordedBytes: number;
  dropped: DropCounters;
}

/** One party's own pair of ports: what arrives here is this party's, and what goes to the party leaves from here. */
export interface Leg {
  readonly address: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
  readonly rtp: Readonly<PortCounters>;
  readonly rtcp: Readonly<PortCounters>;
  /** Packets of others that came here. */
  readonly strangers: number;
  /** The source that is heard, once there is one. */
  readonly rtpSource: Endpoint | undefined;
  readonly rtcpSource: Endpoint | undefined;
  /** Where RTP goes; undefined while that is not known or the party holds. */
  readonly rtpDestination: Endpoint | undefined;
  readonly rtcpDestination: Endpoint | undefined;
  /** States or changes where the party is; a change opens the latching anew (see latch.ts). */
  expect(remote: Remote): void;
  /** Sends what arrives here to the party of `peer`; undefined ends that. */
  relayTo(peer: Leg | undefined): void;
  /** Copies every packet of the party, RTCP too, into `tap`; undefined ends that. */
  copyTo(tap: Tap | undefined, channel: TapChannel): void;
  /** Shows the RTP of the party to `filter` first; undefined ends that. */
  filterEvents(filter: EventFilter | undefined): void;
  /** Frees both ports. */
  close(): Promise<void>;
}

/** Looks at the telephone events of a party before they are copied and relayed. */
export interface EventFilter {
  /** Whether this RTP packet is for {@link take}; asked for every packet. */
  isEvent(packet: Uint8Array): boolean;
  /** Keeps the packet from going on; `pass` lets it go, now or later, if ever. */
  take(packet: Uint8Array, pass: () => void): void;
}

/** Index of a party in the counts of a tap. */
export type TapChannel = 0 | 1;

/** Takes whole pcap records; what it refuses it is given again. */
export interface TapSink {
  append(records: Uint8Array): Promise<void>;
}

export interface TapEnd {
  /** Packets that reached the sink, by channel. */
  captured: [number, number];
  /** Packets that did not. */
  lost: number;
}

/** Copies of one call's packets on their way to the disk. Relaying never waits for it; its memory is bounded. */
export interface Tap {
  readonly lost: number;
  /** From now on what was copied, from the beginning, goes to `sink`. */
  drainTo(sink: TapSink): void;
  /** Writes out what is left. @returns false when the sink refuses: try again, or end */
  drain(): Promise<boolean>;
  /** Gives its memory back; what was not drained is lost. No leg may copy to it any more. */
  end(): TapEnd;
}

export interface PacketEngine {
  /** As `grec status` names it. */
  readonly name: string;
  readonly counters: Readonly<EngineCounters>;
  /**
   * Binds a pair of ports: `rtpPort` and the next.
   * @throws GrecError PORT_IN_USE when one is taken, PORT_UNUSABLE when the address cannot be bound
   */
  openLeg(address: string, rtpPort: number): Promise<Leg>;
  /** @param onTrouble told once when the sink refuses, with the reason, and once (undefined) when it takes again */
  openTap(onTrouble: (reason: string | undefined) => void): Tap;
  close(): Promise<void>;
}
