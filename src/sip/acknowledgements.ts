// The ACKs of a dialog's 2xx: owed, sent once by the user, repeated when the 2xx comes again (RFC 3261 section 13.2.2.4).
import { messageOf } from '../errors.ts';
import type { Channel } from './channel.ts';
import { addTo, topVia } from './compose.ts';
import type { Core } from './core.ts';
import { type DialogData, requestInDialog } from './dialog-state.ts';
import type { DialogWay } from './dialog-way.ts';
import { encodeMessage } from './encode.ts';
import { wayForSize } from './large-requests.ts';
import type { SipRequest } from './message.ts';
import type { Body, ExtraHeaders } from './user-agent-types.ts';

/** The last ACK of a dialog, which may have to be repeated when the dialog itself has long been forgotten. */
export class SentAck {
  readonly #core: Core;
  /** The text a byte a character: as bytes it would keep the whole of the buffer that it was written into. */
  #last: { seq: number; text: string; channel: Channel } | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  note(seq: number, bytes: Buffer, channel: Channel): void {
    this.#last = { seq, text: bytes.toString('latin1'), channel };
  }

  repeat(seq: number): void {
    if (this.#last?.seq !== seq || this.#core.transactions.closed) return;
    const bytes = Buffer.from(this.#last.text, 'latin1');
    this.#last.channel.send(bytes, () => this.#core.count('ack-unsent'));
  }
}

export class Acknowledgements {
  readonly sent: SentAck;
  readonly #core: Core;
  readonly #data: DialogData;
  readonly #way: DialogWay;
  /** The INVITE whose 2xx has no ACK yet. */
  #owed: SipRequest | undefined;

  constructor(core: Core, data: DialogData, way: DialogWay) {
    this.sent = new SentAck(core);
    this.#core = core;
    this.#data = data;
    this.#way = way;
  }

  get owed(): boolean {
    return this.#owed !== undefined;
  }

  owe(invite: SipRequest): void {
    this.#owed = invite;
  }

  /** Sends the ACK that is owed for the INVITE of that number; nothing when it has been sent. */
  send(seq: number, body?: Body, headers?: ExtraHeaders): void {
    const invite = this.#owed;
    if (invite?.headers.cseq.seq !== seq) return;
    this.#owed = undefined;
    void this.#send(this.#build(invite), body, headers);
  }

  /** The dialog ends: an ACK that the user has not sent goes out bare, so that the peer stops repeating its 2xx. */
  sendOwed(): void {
    if (this.#owed !== undefined) this.send(this.#owed.headers.cseq.seq);
  }

  /** An ACK carries the credentials of its INVITE (section 22.1). */
  #build(invite: SipRequest): SipRequest {
    const ack = requestInDialog(this.#data, 'ACK', invite.headers.cseq.seq);
    for (const name of ['authorization', 'proxy-authorization'] as const) {
      if (invite.headers[name] !== undefined) ack.headers[name] = invite.headers[name];
    }
    return ack;
  }

  async #send(ack: SipRequest, body: Body | undefined, headers: ExtraHeaders | undefined): Promise<void> {
    try {
      addTo(ack, headers, body);
      const found = this.#way.channel(ack);
      const way = found instanceof Promise ? await found : found;
      if ('reason' in way) return this.#core.count('ack-unsent');
      const fitting = wayForSize(this.#core, ack, way);
      const channel = fitting instanceof Promise ? await fitting : fitting;
      ack.headers.via = [topVia(channel)];
      const bytes = encodeMessage(ack);
      this.sent.note(ack.headers.cseq.seq, bytes, channel);
      if (!this.#core.transactions.closed) channel.send(bytes, () => this.#core.count('ack-unsent'));
    } catch (thrown) {
      this.#core.count('request-unwritable');
      this.#core.log.error({ err: thrown }, `ACK not sent: ${messageOf(thrown)}`);
    }
  }

  repeat(seq: number): void {
    this.sent.repeat(seq);
  }
}
