// The packet engine: legs, relay flows and taps. It says what happens to packets and never hands one out, so that it may
// run in another process (worker-engine.ts) as well as in this one (local-engine.ts).
import type { SrtpSuiteName } from '../../rtp/srtp-suite.ts';
import type { Endpoint } from '../../spool/pcap.ts';
import type { Playback } from './player.ts';
import type { TonePlayback } from './tone.ts';

/** Where a party's media is expected from and sent to, as its SDP says. */
export interface Remote {
  /** Numeric; unspecified (0.0.0.0 or ::) for a hold: nothing is sent there. */
  address: string;
  rtpPort: number;
  rtcpPort: number;
  /** Another host at which the party is known to be: the source of its signalling, outside its NAT. */
  alsoFrom?: string;
}

/** How the packets of a party are protected (SRTP); keys in Base64, so that it can be told to another process. */
export interface LegProtection {
  /** What comes from the party; undefined while its keys are not known: nothing of it is heard. */
  receive: { suite: SrtpSuiteName; keys: { master: string; mki?: string | undefined }[] } | undefined;
  /** What goes to it; undefined while that is not agreed: nothing is sent. */
  send: { suite: SrtpSuiteName; master: string } | undefined;
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
  /** SRTP that is not of the party's key, or came before (see port.ts). */
  'not-authentic': number;
  /** Telephone events of a party that is not to be heard dialling. */
  blocked: number;
  /** RTP of a party while its peer hears a sound instead. */
  replaced: number;
}

export interface EngineCounters {
  relayed: number;
  /** Of sounds. */
  played: number;
  /** Copied by taps. */
  recorded: number;
  /** As they stand in captures. */
  recordedBytes: number;
  dropped: DropCounters;
}

export function noCounters(): EngineCounters {
  const dropped: DropCounters = {
    'too-short': 0,
    'not-rtp': 0,
    truncated: 0,
    stranger: 0,
    'no-destination': 0,
    'send-failed': 0,
    'not-authentic': 0,
    blocked: 0,
    replaced: 0,
  };
  return { relayed: 0, played: 0, recorded: 0, recordedBytes: 0, dropped };
}

/** What has become of one leg. */
export interface LegState {
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
}

/** One party's own pair of ports: what arrives here is this party's, and what goes to the party leaves from here. */
export interface Leg extends LegState {
  readonly address: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
  /** Brings its state up to date. Never rejects. */
  refresh(): Promise<void>;
  /** States or changes where the party is; a change opens the latching anew (see latch.ts). */
  expect(remote: Remote): void;
  /** Copies no other RTP of the party than of these payload types; undefined ends that. RTCP is copied all the same. */
  copyOnly(payloadTypes: readonly number[] | undefined): void;
  /** Protects and opens what goes to the party and comes from it; undefined for plain RTP. Copies are always in clear. */
  protect(protection: LegProtection | undefined): void;
  /** Sends what arrives here to the party of `peer`, which is of the same shard; undefined ends that. */
  relayTo(peer: Leg | undefined): void;
  /** Copies every packet of the party, RTCP too, into `tap`; undefined ends that. */
  copyTo(tap: Tap | undefined, channel: TapChannel): void;
  /**
   * Takes these feature codes out of the telephone events that the party sends (see dtmf-gate.ts). Asked again, only the
   * payload types of events may differ.
   * @param onCode one was dialled, and nothing of it has passed
   */
  watchCodes(codes: readonly string[], payloadTypes: readonly number[], onCode: (code: string) => void): void;
  /**
   * Sends the party a sound, in place of its peer's RTP (see own-stream.ts), in no copy; what was played before ends. undefined
   * ends it.
   */
  play(playback: Playback | undefined): void;
  /** Adds a tone to what the party hears (see tone.ts); what there was of another ends. undefined ends it. */
  sound(tone: TonePlayback | undefined): void;
  /** Lets RTP with these payload types neither through nor into the copies; undefined ends that. Feature codes are heard. */
  blockEvents(payloadTypes: readonly number[] | undefined): void;
  /** Frees both ports; its state is the last one then. Never rejects. */
  close(): Promise<void>;
}

/** Index of a party in the counts of a tap. */
export type TapChannel = 0 | 1;

export interface TapEnd {
  /** Packets that reached the capture, by channel. */
  captured: [number, number];
  /** Packets that were not to be in it, by channel. */
  leftOut: [number, number];
  /** Packets that should have reached it and did not. */
  lost: number;
  /** The length of the capture. */
  bytes: number;
}

/** Copies of one call's packets on their way to the disk. Relaying never waits for it; its memory is bounded. */
export interface Tap {
  /**
   * From now on what was copied, from the beginning, goes to the end of this capture, which has its header.
   * @param key with which it is encrypted, if it is
   */
  drainTo(capture: string, key?: Buffer): void;
  /** Writes out what is left; no leg may copy to it any more. @returns false when the disk refuses: try again, or end */
  drain(): Promise<boolean>;
  /** Gives its memory back; what was not drained is lost. No leg may copy to it any more. */
  end(): Promise<TapEnd>;
}

/** Where the packets of one call run, all together. */
export interface Shard {
  /** Why all that it had is gone: what was asked of it since then came to nothing. */
  readonly lost: string | undefined;
  /**
   * Binds a pair of ports: `rtpPort` and the next.
   * @throws GrecError PORT_IN_USE when one is taken, PORT_UNUSABLE when the address cannot be bound, WORKER_LOST
   */
  openLeg(address: string, rtpPort: number): Promise<Leg>;
  /** @param onTrouble told once when the disk refuses, with the reason, and once (undefined) when it takes again */
  openTap(onTrouble: (reason: string | undefined) => void): Tap;
  /** Resolves when what was asked of its legs and taps is in force: no packet is treated in the old way any more. */
  settled(): Promise<void>;
  /** The call is over. */
  release(): void;
}

export interface PacketEngine {
  /** As `grec status` names it. */
  readonly name: string;
  readonly counters: Readonly<EngineCounters>;
  /** More for `grec status`. */
  describe(): Record<string, unknown>;
  /** Brings the counters up to date. Never rejects. */
  refresh(): Promise<void>;
  /**
   * A place for the packets of one call; when there is none, one that is being made is waited for.
   * @param onLost all that it had is gone, with the reason
   * @throws GrecError WORKER_LOST when there is none in time
   */
  shard(onLost: (reason: string) => void): Promise<Shard>;
  close(): Promise<void>;
}
