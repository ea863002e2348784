// The conversation that `grec demo` and tests let two phones have: an agent and a customer, about twelve seconds.
import { readFileSync } from 'node:fs';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { PACKET_MS, SAMPLES_PER_PACKET } from './rtp-sender.ts';

export type Speaker = 'agent' | 'customer';

/** One phrase. All positions are in packets of 20 ms. */
interface Turn {
  speaker: Speaker;
  words: string;
  /** Where it begins in the speaker's voice file, and its length. */
  from: number;
  packets: number;
  /** When it is spoken, from the beginning of the conversation. */
  at: number;
}

/** The cuts are those that audio/make-voices.sh prints. The agent's answer begins before the customer has quite ended. */
const TURNS: Turn[] = [
  {
    speaker: 'agent',
    words: 'Harbor Travel, this is Alice. How can I help you?',
    from: 0,
    packets: 150,
    at: 15,
  },
  {
    speaker: 'customer',
    words: 'Hello. I booked a ferry for Friday, but I want to sail on Sunday.',
    from: 0,
    packets: 236,
    at: 175,
  },
  {
    speaker: 'agent',
    words: 'Of course. I see your booking. I will change it now.',
    from: 150,
    packets: 167,
    at: 395,
  },
  { speaker: 'customer', words: 'Great, thank you!', from: 236, packets: 61, at: 550 },
];

const PACKETS = 620;
/** The mu-law byte of the sample 0. */
const SILENCE = 0xff;

/** One side of the conversation, from the answer of the call to its end, pauses included. */
export interface Voice {
  /** G.711 mu-law, 8000 Hz. */
  mulaw: Uint8Array;
  /** The same as linear samples of 16 bits. */
  linear: Int16Array;
  /** Of 20 ms each. */
  packets: number;
}

/** Length of the conversation, in milliseconds. */
export const DIALOGUE_MS = PACKETS * PACKET_MS;

/** Who says what, and when: milliseconds from the beginning of the conversation. */
export const PHRASES: readonly { speaker: Speaker; words: string; atMs: number }[] = TURNS.map(
  ({ speaker, words, at }) => ({ speaker, words, atMs: at * PACKET_MS }),
);

/** Reads one side of the conversation. */
export function loadVoice(speaker: Speaker): Voice {
  const spoken = readFileSync(new URL(`./audio/${speaker}.ulaw`, import.meta.url));
  const mulaw = new Uint8Array(PACKETS * SAMPLES_PER_PACKET).fill(SILENCE);
  for (const { from, packets, at } of TURNS.filter((turn) => turn.speaker === speaker)) {
    const phrase = spoken.subarray(from * SAMPLES_PER_PACKET, (from + packets) * SAMPLES_PER_PACKET);
    mulaw.set(phrase, at * SAMPLES_PER_PACKET);
  }
  return { mulaw, linear: toLinear(mulaw), packets: PACKETS };
}

/** Linear samples of mu-law bytes. */
export function toLinear(mulaw: Uint8Array): Int16Array {
  return Int16Array.from(mulaw, (byte) => MULAW_TO_LINEAR[byte] ?? 0);
}
