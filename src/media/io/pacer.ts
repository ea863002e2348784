// The pace of everything that an engine plays: one timer for all of it, and none while nothing is played.

/** How often it is looked what is due, in milliseconds: packets are 20 ms apart, and no more than this late. */
const TURN_MS = 5;

export interface Playing {
  /**
   * Does what is due.
   * @param now milliseconds of a clock that never goes back
   * @returns whether there is more to come
   */
  advance(now: number): boolean;
}

export class Pacer {
  readonly #playing = new Set<Playing>();
  #timer: NodeJS.Timeout | undefined;

  add(playing: Playing): void {
    this.#playing.add(playing);
    this.#timer ??= setInterval(() => this.turn(performance.now()), TURN_MS);
    // What begins is heard at once.
    this.#advance(playing, performance.now());
  }

  remove(playing: Playing): void {
    this.#playing.delete(playing);
    this.#rest();
  }

  turn(now: number): void {
    for (const playing of this.#playing) this.#advance(playing, now);
  }

  #advance(playing: Playing, now: number): void {
    if (!playing.advance(now)) this.remove(playing);
  }

  #rest(): void {
    if (this.#playing.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  close(): void {
    this.#playing.clear();
    this.#rest();
  }
}
