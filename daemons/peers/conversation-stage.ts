// Where conversations are played: desks with three phones each, and what lets all voices of a process speak in time.
import { microsNow } from '../../src/spool/clock.ts';
import type { Phone } from '../../src/testing/phone.ts';
import type { RoughVoice } from '../../src/testing/rough-voice.ts';
import type { Installation } from './installation.ts';

const TICK_MS = 4;

/** Three phones that have one conversation after the other. The agent's DN is recorded. */
export interface Desk {
  customer: Phone;
  agent: Phone;
  expert: Phone;
  isExpertRecorded: boolean;
}

/** Lets all voices of a process speak when they are due. */
export class Pacer {
  readonly #voices = new Set<RoughVoice>();
  readonly #timer = setInterval(() => {
    const now = microsNow();
    for (const voice of this.#voices) voice.tick(now);
  }, TICK_MS);

  add(voice: RoughVoice): void {
    this.#voices.add(voice);
    voice.tick(microsNow());
  }

  remove(voice: RoughVoice): void {
    this.#voices.delete(voice);
    voice.stop();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

export interface Stage {
  installation: Installation;
  pacer: Pacer;
  seed: number;
}
