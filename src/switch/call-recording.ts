// The recording of one call, as the switch sees it: begun, failed, stopped, and what the media server is told of it.
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { EventBody } from '../spool/events.ts';
import type { Party, RecordingMetadata } from '../spool/segment.ts';
import type { Leg } from './call.ts';
import type { CallMedia, Label } from './call-media.ts';

export interface CallRecordingOptions {
  id: string;
  call: string;
  sessionId: string;
  legs: Record<Label, Leg>;
  /** The leg whose party is the agent. */
  agent: Label;
  journal(event: EventBody): void;
  log: Logger;
}

export class CallRecording {
  readonly id: string;
  /** The media server has confirmed it, and it has not been stopped. */
  isRunning = false;
  readonly #options: CallRecordingOptions;
  #isOver = false;

  constructor(options: CallRecordingOptions) {
    this.id = options.id;
    this.#options = options;
  }

  get metadata(): RecordingMetadata {
    const { id, call, sessionId } = this.#options;
    return { recording: id, call, sessionId, parties: this.#parties() };
  }

  #parties(): Party[] {
    const { legs, agent } = this.#options;
    return [legs.a, legs.b].map(({ label, tag, party: { dn, number, uri, name } }) => ({
      label,
      tag,
      role: label === agent ? 'agent' : 'customer',
      dn,
      number,
      uri,
      name,
    }));
  }

  /** Has it confirmed by the media server, which may have begun with the answer. Never rejects. */
  async start(media: CallMedia): Promise<void> {
    const { metadata } = this;
    try {
      await media.startRecording(metadata);
    } catch (thrown) {
      return this.fail(messageOf(thrown));
    }
    if (this.#isOver) return;
    this.isRunning = true;
    const { call, journal } = this.#options;
    journal({ type: 'recording.started', call, recording: this.id, parties: metadata.parties });
  }

  /** Says that the recording which should be is not; the call goes on. */
  fail(reason: string): void {
    const { call, journal, log } = this.#options;
    log.error({ recording: this.id, reason }, 'recording failed');
    journal({ type: 'recording.failed', call, recording: this.id, reason });
  }

  stop(reason: string): void {
    this.#isOver = true;
    if (!this.isRunning) return;
    this.isRunning = false;
    const { call, journal } = this.#options;
    journal({ type: 'recording.stopped', call, recording: this.id, reason });
  }
}
