// What a passage is found by besides its words: party, DN and agent, each as one word that no speech has.
import type { SpokenPassage } from '../speech/transcript.ts';

export interface Facets {
  role?: SpokenPassage['role'] | undefined;
  dn?: string | null | undefined;
  agent?: string | null | undefined;
}

/** Whatever a DN or an agent is called, the word is of letters and digits alone. */
export function facetWords({ role, dn, agent }: Facets): string[] {
  return [
    ...(role ? [`zp${role}`] : []),
    ...(dn ? [`zd${hex(dn)}`] : []),
    ...(agent ? [`za${hex(agent)}`] : []),
  ];
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}
