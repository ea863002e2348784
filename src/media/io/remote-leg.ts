// A leg and a tap that are in a relay worker, as the media server handles them.
import { GrecError } from '../../errors.ts';
import type {
  Leg,
  LegProtection,
  LegState,
  PortCounters,
  Remote,
  Tap,
  TapChannel,
  TapEnd,
} from './engine.ts';
import type { Playback } from './player.ts';
import type { TonePlayback } from './tone.ts';
import type { WorkerProcess } from './worker-process.ts';
import type { ToldPlayback, ToldTone } from './worker-protocol.ts';

const none = (): PortCounters => ({ packets: 0, bytes: 0, errors: 0, lastAt: 0 });

export class RemoteLeg implements Leg {
  readonly number: number;
  readonly address: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
  onCode: (code: string) => void = () => undefined;
  readonly #worker: WorkerProcess;
  readonly #onClose: () => void;
  #hasTone = false;
  #state: LegState = {
    rtp: none(),
    rtcp: none(),
    strangers: 0,
    rtpSource: undefined,
    rtcpSource: undefined,
    rtpDestination: undefined,
    rtcpDestination: undefined,
  };

  constructor(number: number, worker: WorkerProcess, address: string, rtpPort: number, onClose: () => void) {
    this.number = number;
    this.#worker = worker;
    this.address = address;
    this.rtpPort = rtpPort;
    this.rtcpPort = rtpPort + 1;
    this.#onClose = onClose;
  }

  get rtp() {
    return this.#state.rtp;
  }

  get rtcp() {
    return this.#state.rtcp;
  }

  get strangers() {
    return this.#state.strangers;
  }

  get rtpSource() {
    return this.#state.rtpSource;
  }

  get rtcpSource() {
    return this.#state.rtcpSource;
  }

  get rtpDestination() {
    return this.#state.rtpDestination;
  }

  get rtcpDestination() {
    return this.#state.rtcpDestination;
  }

  async refresh(): Promise<void> {
    this.#know(await this.#worker.ask({ do: 'look', leg: this.number }).catch(() => undefined));
  }

  /** What is left out in a message is undefined. */
  #know(state: LegState | undefined): void {
    if (state !== undefined) this.#state = state;
  }

  expect(remote: Remote): void {
    this.#worker.post({ do: 'expect', leg: this.number, remote });
  }

  protect(protection: LegProtection | undefined): void {
    this.#worker.post({ do: 'protect', leg: this.number, protection });
  }

  relayTo(peer: Leg | undefined): void {
    const number = peer instanceof RemoteLeg ? peer.number : undefined;
    this.#worker.post({ do: 'relay', leg: this.number, peer: number });
  }

  copyTo(tap: Tap | undefined, channel: TapChannel): void {
    const number = tap instanceof RemoteTap ? tap.number : undefined;
    this.#worker.post({ do: 'copy', leg: this.number, tap: number, channel });
  }

  copyOnly(payloadTypes: readonly number[] | undefined): void {
    this.#worker.post({ do: 'copy-only', leg: this.number, payloadTypes });
  }

  watchCodes(
    codes: readonly string[],
    payloadTypes: readonly number[],
    onCode: (code: string) => void,
  ): void {
    this.onCode = onCode;
    this.#worker.post({ do: 'watch', leg: this.number, codes, payloadTypes });
  }

  blockEvents(payloadTypes: readonly number[] | undefined): void {
    this.#worker.post({ do: 'block', leg: this.number, payloadTypes });
  }

  play(playback: Playback | undefined): void {
    this.#worker.post({ do: 'play', leg: this.number, playback: playback && told(playback) });
  }

  sound(tone: TonePlayback | undefined): void {
    // What was never begun need not be ended: most calls that end have no tone.
    if (tone === undefined && !this.#hasTone) return;
    this.#hasTone = tone !== undefined;
    this.#worker.post({ do: 'sound', leg: this.number, tone: tone && this.#toldTone(tone) });
  }

  #toldTone({ sound, ...rest }: TonePlayback): ToldTone {
    const { number, isNew } = this.#worker.numberOf(sound);
    const bytes = isNew ? { bytes: sound.bytes.toString('base64') } : {};
    return { ...rest, sound: { law: sound.law, number, ...bytes } };
  }

  async close(): Promise<void> {
    this.#know(await this.#worker.ask({ do: 'close', leg: this.number }).catch(() => undefined));
    this.#onClose();
  }
}

function told({ sound, ...rest }: Playback): ToldPlayback {
  return { ...rest, sound: { law: sound.law, bytes: sound.bytes.toString('base64') } };
}

export class RemoteTap implements Tap {
  readonly number: number;
  readonly onTrouble: (reason: string | undefined) => void;
  readonly #worker: WorkerProcess;
  readonly #onEnd: () => void;
  #drained: TapEnd | undefined;

  constructor(
    number: number,
    worker: WorkerProcess,
    onTrouble: (reason: string | undefined) => void,
    onEnd: () => void,
  ) {
    this.number = number;
    this.#worker = worker;
    this.onTrouble = onTrouble;
    this.#onEnd = onEnd;
    worker.post({ do: 'tap', tap: number });
  }

  drainTo(capture: string, key?: Buffer): void {
    const told = key && { key: key.toString('base64') };
    this.#worker.post({ do: 'drain-to', tap: this.number, capture, ...told });
  }

  /** What is drained has nothing more to do, and is ended by the same message. @throws GrecError WORKER_LOST */
  async drain(): Promise<boolean> {
    this.#drained ??= await this.#worker.ask({ do: 'finish', tap: this.number });
    return this.#drained !== undefined;
  }

  /** @throws GrecError WORKER_LOST */
  async end(): Promise<TapEnd> {
    if (this.#drained !== undefined) {
      this.#onEnd();
      return this.#drained;
    }
    const end = await this.#worker.ask({ do: 'end', tap: this.number }).finally(this.#onEnd);
    if (end === undefined) throw new GrecError('INTERNAL', 'a tap was ended twice');
    return end;
  }
}
