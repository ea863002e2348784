// The legs and taps of a relay worker by their numbers, and what each command does to them.
import type { Sound } from '../sound.ts';
import type { Leg, LegState, Tap } from './engine.ts';
import type { LocalEngine } from './local-engine.ts';
import type { LocalLeg } from './local-leg.ts';
import type { Playback } from './player.ts';
import type { TonePlayback } from './tone.ts';
import type { Command, Report, ToldPlayback, ToldTone } from './worker-protocol.ts';

/** The tone in both laws, and the one before it. */
const MOST_SOUNDS = 4;

export class WorkerTables {
  readonly #engine: LocalEngine;
  readonly #report: (report: Report) => void;
  readonly #legs = new Map<number, LocalLeg>();
  readonly #taps = new Map<number, Tap>();
  readonly #sounds = new Map<number, Sound>();

  constructor(engine: LocalEngine, report: (report: Report) => void) {
    this.#engine = engine;
    this.#report = report;
  }

  /** All but opening, closing and draining is in force when this returns. */
  async obey(command: Command): Promise<unknown> {
    switch (command.do) {
      case 'open':
        this.#legs.set(command.leg, await this.#engine.openLeg(command.address, command.rtpPort));
        return;
      case 'expect':
        return this.#legs.get(command.leg)?.expect(command.remote);
      case 'protect':
        return this.#legs.get(command.leg)?.protect(command.protection);
      case 'relay':
        return this.#legs.get(command.leg)?.relayTo(this.#legOf(command.peer));
      case 'copy':
        return this.#legs.get(command.leg)?.copyTo(this.#tapOf(command.tap), command.channel);
      case 'copy-only':
        return this.#legs.get(command.leg)?.copyOnly(command.payloadTypes);
      case 'watch':
        return this.#watch(command.leg, command.codes, command.payloadTypes);
      case 'block':
        return this.#legs.get(command.leg)?.blockEvents(command.payloadTypes);
      case 'play':
        return this.#legs.get(command.leg)?.play(command.playback && heard(command.playback));
      case 'sound':
        return this.#legs.get(command.leg)?.sound(command.tone && this.#toneOf(command.tone));
      case 'look':
        return this.#legs.get(command.leg)?.state;
      case 'close':
        return this.#close(command.leg);
      case 'tap':
        return this.#openTap(command.tap);
      case 'drain-to':
        return this.#taps.get(command.tap)?.drainTo(command.capture, keyOf(command.key));
      case 'finish':
        return this.#finishTap(command.tap);
      case 'end':
        return this.#endTap(command.tap);
      case 'count':
        return this.#engine.counters;
      case 'settle':
        return;
    }
  }

  /** Who tells of a sound by its number alone has told it before, and of no newer one since. */
  #toneOf({ sound: { number, law, bytes }, ...rest }: ToldTone): TonePlayback | undefined {
    if (bytes !== undefined) this.#keep(number, { law, bytes: Buffer.from(bytes, 'base64') });
    const sound = this.#sounds.get(number);
    return sound && { ...rest, sound };
  }

  #keep(number: number, sound: Sound): void {
    const [oldest] = this.#sounds.keys();
    if (this.#sounds.size >= MOST_SOUNDS && oldest !== undefined) this.#sounds.delete(oldest);
    this.#sounds.set(number, sound);
  }

  #legOf(number: number | undefined): Leg | undefined {
    return number === undefined ? undefined : this.#legs.get(number);
  }

  #tapOf(number: number | undefined): Tap | undefined {
    return number === undefined ? undefined : this.#taps.get(number);
  }

  #watch(leg: number, codes: readonly string[], payloadTypes: readonly number[]): void {
    const onCode = (code: string) => this.#report({ tell: 'code', leg, code });
    this.#legs.get(leg)?.watchCodes(codes, payloadTypes, onCode);
  }

  async #close(number: number): Promise<LegState | undefined> {
    const leg = this.#legs.get(number);
    this.#legs.delete(number);
    await leg?.close();
    return leg?.state;
  }

  #openTap(tap: number): void {
    const onTrouble = (reason: string | undefined) => this.#report({ tell: 'trouble', tap, reason });
    this.#taps.set(tap, this.#engine.openTap(onTrouble));
  }

  async #finishTap(number: number): Promise<unknown> {
    const isDrained = await this.#taps.get(number)?.drain();
    return isDrained === true ? this.#endTap(number) : undefined;
  }

  async #endTap(number: number): Promise<unknown> {
    const tap = this.#taps.get(number);
    this.#taps.delete(number);
    return tap?.end();
  }
}

function heard({ sound, ...rest }: ToldPlayback): Playback {
  return { ...rest, sound: { law: sound.law, bytes: Buffer.from(sound.bytes, 'base64') } };
}

function keyOf(told: string | undefined): Buffer | undefined {
  return told === undefined ? undefined : Buffer.from(told, 'base64');
}
