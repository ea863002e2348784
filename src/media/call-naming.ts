// Who is who in a call, as its controller told: whose audio each stream is, and what the recording says of it.
import type { Party, RecordingMetadata, Stream } from '../spool/segment.ts';
import { type CallParty, formatsSentBy, otherOf } from './call-party.ts';
import { type Label, readMetadata } from './call-recording.ts';
import { describeForeign, type ForeignNotes, readForeignNotes } from './foreign.ts';

export class CallNaming {
  metadata: RecordingMetadata | undefined;
  /** What a controller told that gave no metadata of ours. */
  #notes: ForeignNotes | undefined;

  /** What is told later goes before what was told earlier. */
  adopt(text: string | undefined): void {
    this.metadata = readMetadata(text) ?? this.metadata;
    this.#notes = readForeignNotes(text) ?? this.#notes;
  }

  /** By the tags that the switch named, so that nothing else can decide whose audio it is. */
  labelOf(party: CallParty, parties: readonly CallParty[]): Label {
    const named = this.#labelNamed(party);
    if (named !== undefined) return named;
    const other = this.#labelNamed(otherOf(parties, party));
    if (other !== undefined) return other === 'a' ? 'b' : 'a';
    return party === parties[0] ? 'a' : 'b';
  }

  #labelNamed({ tag }: CallParty): Label | undefined {
    return this.metadata?.parties.find((party) => party.tag === tag)?.label;
  }

  roleOf(party: CallParty, parties: readonly CallParty[]): Party['role'] | undefined {
    const told = this.metadata?.parties ?? this.strangers(parties);
    const own = this.labelOf(party, parties);
    return told.find(({ label }) => label === own)?.role;
  }

  /** The parties of a call of which no switch of ours tells. */
  strangers(parties: readonly CallParty[]): Party[] {
    const seen = parties.map((party) => ({
      label: this.labelOf(party, parties),
      tag: party.tag,
      address: party.description?.remote.address,
    }));
    return describeForeign(seen, this.#notes);
  }

  streams(parties: readonly CallParty[]): Stream[] {
    return parties.map((party) => ({
      label: this.labelOf(party, parties),
      tag: party.tag,
      address: party.leg.address,
      rtpPort: party.leg.rtpPort,
      rtcpPort: party.leg.rtcpPort,
      formats: formatsSentBy(party, otherOf(parties, party)),
    }));
  }
}
