// The recording of one call, as the switch sees it: begun, paused, failed, stopped, and what the media server is told of it.
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { EventBody } from '../spool/events.ts';
import type { Party, RecordingMetadata } from '../spool/segment.ts';
import type { CallMedia } from './call-media.ts';
import type { Legs } from './call-model.ts';
import type { Label } from './leg.ts';
import type { RecordingTerms } from './recording-terms.ts';

export interface CallRecordingOptions {
  id: string;
  call: string;
  sessionId: string;
  legs: Legs;
  /** The leg whose party is the agent. */
  agent: Label;
  terms?: RecordingTerms;
  /** The recording that should be is not. */
  onFailed?(): void;
  journal(event: EventBody): void;
  log: Logger;
}

/** `starting` until the media server has confirmed it; `interrupted` while its media server is lost. */
export type RecordingState = 'starting' | 'recording' | 'paused' | 'interrupted' | 'failed' | 'stopped';

/** A recording as JSON. */
export interface StoredRecording {
  id: string;
  agent: Label;
  state: RecordingState;
  interruption: { reason: string; wasPaused: boolean } | null;
}

/** Who asked for it, and why, in words. */
export interface Asked {
  by?: string | undefined;
  /** The DN for which it is asked, if it is a party's (Genesys ThisDN). */
  dn?: string | undefined;
  reason: string;
}

export class CallRecording {
  readonly id: string;
  readonly #options: CallRecordingOptions;
  /** Settled when it is known whether it runs. */
  started: Promise<void> = Promise.resolve();
  #legs: Legs;
  /** The conversation, which may become another one. */
  sessionId: string;
  #state: RecordingState = 'starting';
  /** Why it is interrupted, and whether it was paused then. */
  #interruption: { reason: string; wasPaused: boolean } | undefined;

  constructor(options: CallRecordingOptions) {
    this.id = options.id;
    this.#options = options;
    this.#legs = options.legs;
    this.sessionId = options.sessionId;
  }

  get state(): RecordingState {
    return this.#state;
  }

  store(): StoredRecording {
    const { id, agent } = this.#options;
    return { id, agent, state: this.#state, interruption: this.#interruption ?? null };
  }

  /** Takes up the recording of an earlier life. */
  restore({ state, interruption }: StoredRecording): this {
    this.#state = state;
    this.#interruption = interruption ?? undefined;
    return this;
  }

  /** The media server writes it. */
  get isRunning(): boolean {
    return this.#state === 'recording';
  }

  get metadata(): RecordingMetadata {
    return this.metadataOf(this.#legs);
  }

  /** What a segment with these parties is to say of itself. */
  metadataOf(legs: Legs): RecordingMetadata {
    const { id, call, terms } = this.#options;
    const { sessionId } = this;
    return { recording: id, call, sessionId, ...terms, parties: this.#parties(legs) };
  }

  #parties(legs: Legs): Party[] {
    const { agent } = this.#options;
    return [legs.a, legs.b].map(({ label, tag, party: { dn, agentId, number, uri, name } }) => ({
      label,
      tag,
      role: label === agent ? 'agent' : 'customer',
      dn,
      agentId,
      number,
      uri,
      name,
    }));
  }

  /** Has it confirmed by the media server, which may have begun with the answer. Never rejects. */
  start(media: CallMedia): Promise<void> {
    this.started = this.#start(media);
    return this.started;
  }

  async #start(media: CallMedia): Promise<void> {
    const { metadata } = this;
    try {
      await media.startRecording(metadata);
    } catch (thrown) {
      // One that was interrupted meanwhile is looked after.
      if (this.#state === 'starting') this.fail(messageOf(thrown));
      return;
    }
    if (this.#state !== 'starting') return;
    this.#state = 'recording';
    this.#tell({ type: 'recording.started', ...this.#options.terms, parties: metadata.parties });
  }

  /**
   * Nothing is written from here on, until it is resumed: its segment is closed, and its gap has its true length.
   * @throws GrecError NG_TIMEOUT, NG_REFUSED: it is still being written, then
   */
  async pause(media: CallMedia, { by, reason }: Asked): Promise<void> {
    await media.stopRecording();
    if (this.#state !== 'recording') return;
    this.#state = 'paused';
    this.#tell({ type: 'recording.paused', by, reason });
  }

  /** @throws GrecError NG_TIMEOUT, NG_REFUSED, SPOOL_WRITE */
  async resume(media: CallMedia, { by, reason }: Asked): Promise<void> {
    await media.startRecording(this.metadata);
    if (this.#state !== 'paused') return;
    this.#state = 'recording';
    this.#tell({ type: 'recording.resumed', by, reason });
  }

  /** The media server that wrote it is lost: it goes on as soon as there is one. */
  interrupt(reason: string): void {
    const state = this.#state;
    if (state !== 'starting' && state !== 'recording' && state !== 'paused') return;
    this.#interruption = { reason, wasPaused: state === 'paused' };
    this.#state = 'interrupted';
    this.#options.log.error(
      { recording: this.id, alarm: 'recording-interrupted', reason },
      'recording interrupted',
    );
    this.#tell({ type: 'recording.interrupted', reason });
  }

  /** Goes on after an interruption, as a new segment; one that was paused stays so. @throws GrecError as {@link resume} */
  async goOn(media: CallMedia): Promise<void> {
    const { wasPaused = false } = this.#interruption ?? {};
    if (!wasPaused) await media.startRecording(this.metadata);
    if (this.#state !== 'interrupted') return;
    this.#state = wasPaused ? 'paused' : 'recording';
    this.#tell({ type: 'recording.resumed', reason: 'another media server took over' });
  }

  /** A party has left for another one: what is written from here on is a new segment, at another place perhaps. Never rejects. */
  async goOnWith(legs: Legs, media: CallMedia): Promise<void> {
    this.#legs = legs;
    if (this.#state !== 'recording') return;
    try {
      await media.startRecording(this.metadata);
    } catch (thrown) {
      if (this.#state === 'recording') this.fail(messageOf(thrown));
    }
  }

  /** Says that the recording which should be is not; the call goes on. */
  fail(reason: string): void {
    this.#options.log.error({ recording: this.id, alarm: 'recording-failed', reason }, 'recording failed');
    this.#state = 'failed';
    this.#tell({ type: 'recording.failed', reason });
    this.#options.onFailed?.();
  }

  stop(reason: string, by?: string): void {
    // Nobody took over: what was said since then is missing.
    if (this.#state === 'interrupted') this.fail(this.#interruption?.reason ?? reason);
    const wasRunning = this.#state === 'recording' || this.#state === 'paused';
    if (this.#state !== 'failed') this.#state = 'stopped';
    if (wasRunning) this.#tell({ type: 'recording.stopped', by, reason });
  }

  #tell(event: OwnEvent): void {
    const { call, journal } = this.#options;
    journal({ ...event, call, recording: this.id });
  }
}

type OwnEvent = DistributiveOmit<
  Extract<EventBody, { call: string; recording: string }>,
  'call' | 'recording'
>;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
