// One side of a call: its party, the dialog with it, and what was agreed with it about media.

import type { SrtpWord } from '../dn-settings.ts';
import type { SipMessage } from '../sip/message.ts';
import type { Body, Dialog } from '../sip/user-agent.ts';
import type { CallParty } from './call-model.ts';
import { withSdp } from './sdp-body.ts';
import { SdpOrigin, type SdpOriginState } from './sdp-origin.ts';
import { uuidOf } from './session-id.ts';

export type Label = 'a' | 'b';

/** A leg as JSON, without its dialog. */
export interface StoredLeg {
  label: Label;
  tag: string;
  party: CallParty;
  source: string;
  origin: SdpOriginState;
  /** Latin-1, so that each byte comes back. */
  described: string | null;
  held: boolean;
  uuid: string | null;
  /** Latin-1 as well; left out when it never made an offer. */
  offered?: string | undefined;
  /** Left out in a leg whose dialog began in its conversation. */
  hasMoved?: boolean | undefined;
}

export interface LegOptions {
  label: Label;
  /** Its name in the ng protocol: ours, so that it stays when a SIP tag changes (forking behind a trunk). */
  tag: string;
  party: CallParty;
  /** Where its signalling is: a party behind NAT sends its media from there, and no stranger may. */
  source: string;
  origin?: SdpOriginState | SdpOrigin;
}

export class Leg {
  readonly label: Label;
  readonly tag: string;
  party: CallParty;
  source: string;
  dialog: Dialog | undefined;
  /** The party's own description, the last one that was accepted. */
  described: Buffer | undefined;
  /** The last offer of its own: all that it can do, where `described` may be an answer that names what was chosen. */
  offered: Buffer | undefined;
  /** The UUID by which the party names its side of the conversation (RFC 7989); made here when it does not. */
  uuid: string | undefined;
  /** What is offered of SRTP while several may answer; else it is what is said of its party. */
  srtp: SrtpWord | undefined;
  /** It has put the other on hold. */
  held = false;
  /** Its dialog began in another conversation: it is told the one that it is in now (RFC 7989 section 8 in spirit). */
  hasMoved = false;
  readonly origin: SdpOrigin;

  constructor({ label, tag, party, source, origin }: LegOptions) {
    this.label = label;
    this.tag = tag;
    this.party = party;
    this.source = source;
    this.origin = origin instanceof SdpOrigin ? origin : new SdpOrigin(origin);
  }

  store(): StoredLeg {
    const { label, tag, party, source, held, uuid = null } = this;
    const described = this.described?.toString('latin1') ?? null;
    const offered = this.offered?.toString('latin1');
    const hasMoved = this.hasMoved || undefined;
    return { label, tag, party, source, held, uuid, described, offered, hasMoved, origin: this.origin.state };
  }

  static restore({ described, offered, held, uuid, hasMoved = false, ...options }: StoredLeg): Leg {
    const leg = new Leg(options);
    leg.uuid = uuid ?? undefined;
    leg.held = held;
    leg.hasMoved = hasMoved;
    leg.offered = offered === undefined ? undefined : Buffer.from(offered, 'latin1');
    leg.described = described === null ? undefined : Buffer.from(described, 'latin1');
    return leg;
  }

  /** Takes over what a message of the party says of it. */
  learn(message: SipMessage): void {
    this.uuid = uuidOf(message) ?? this.uuid;
  }

  /** The other side's description, as this party gets it. */
  tell(sdp: Buffer): Body {
    return withSdp(this.origin.stamp(sdp));
  }
}

export function otherLabel(label: Label): Label {
  return label === 'a' ? 'b' : 'a';
}

/** The name in the ng protocol of a party that was in the call from its beginning. */
export function tagOf(call: string, label: Label): string {
  return `${call}-${label}`;
}

/** True for a party that may control the recording: one of ours, not whoever called from outside. */
export function isAgent({ party }: Pick<Leg, 'party'>): boolean {
  return party.dn !== undefined;
}
