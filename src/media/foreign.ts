// What a controller without metadata of ours tells of the parties: tags, addresses, and words in rtpengine's free form.
import type { Party, Stream } from '../spool/segment.ts';

/** What was found in a text such as `from:7002|to:sip:7001@example.org|agent:to`. */
export interface ForeignNotes {
  from?: string;
  to?: string;
  /** Whose side is the agent's; the caller's when it is not said. */
  agent?: 'from' | 'to';
}

const LONGEST = 256;

/** @returns undefined when the text says nothing of that kind */
export function readForeignNotes(text: string | undefined): ForeignNotes | undefined {
  const notes: ForeignNotes = {};
  for (const part of (text ?? '').slice(0, 4 * LONGEST).split('|')) {
    const [, key = '', value = ''] = /^\s*([A-Za-z]+)\s*:\s*(\S+)\s*$/.exec(part) ?? [];
    const name = key.toLowerCase();
    if (name === 'from' || name === 'to') notes[name] = value.slice(0, LONGEST);
    if (name === 'agent' && (value === 'from' || value === 'to')) notes.agent = value;
  }
  return Object.keys(notes).length === 0 ? undefined : notes;
}

/** A party as the ng protocol knows it. */
export interface ForeignParty {
  label: Stream['label'];
  tag: string;
  /** Where its media is; undefined while it has not answered. */
  address: string | undefined;
}

/** The parties of a call that no switch of ours controls; `a` is whoever made the first offer. */
export function describeForeign(parties: readonly ForeignParty[], notes: ForeignNotes = {}): Party[] {
  const agent = notes.agent === 'to' ? 'b' : 'a';
  return parties.map(({ label, tag, address = 'unknown' }) => {
    const told = label === 'a' ? notes.from : notes.to;
    const role = label === agent ? 'agent' : 'customer';
    if (told === undefined) return { label, tag, role, number: address, uri: `sip:${address}` };
    const [, user] = /^sips?:([^@;?]+)@/i.exec(told) ?? [];
    return { label, tag, role, number: user ?? told, uri: user === undefined ? `sip:${told}` : told };
  });
}
