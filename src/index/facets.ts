// What a passage is found by besides its words: party, DN and agent, each as one character that no text has.
//
// So a question for words and a DN is one walk through the full-text index, and not one through all that has the words. One character
// alone, because the index of prefixes takes nothing so short.
import type { SpokenPassage } from '../speech/transcript.ts';

export interface Facets {
  role?: SpokenPassage['role'] | null | undefined;
  dn?: string | null | undefined;
  agent?: string | null | undefined;
}

/** Supplementary private use area A (Unicode, section 23.5): word characters to SQLite. */
const FIRST_CHARACTER = 0xf0000;
const CHARACTERS = 0xfffe;

export function facetNames({ role, dn, agent }: Facets): string[] {
  return [
    ...(role ? [`party ${role}`] : []),
    ...(dn ? [`dn ${dn}`] : []),
    ...(agent ? [`agent ${agent}`] : []),
  ];
}

/** Undefined when there are more than characters: then rows are looked at one by one. @param id from 0 on */
export function facetCharacter(id: number): string | undefined {
  return id < CHARACTERS ? String.fromCodePoint(FIRST_CHARACTER + id) : undefined;
}
