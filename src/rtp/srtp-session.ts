// SRTP with one party, both ways, while keys come and change (RFC 4568 sections 6.4 and 7.1.4).

import { SrtpReceiver, type SrtpReceivingKey, type SrtpRefusal, SrtpSender, srtpRefusal } from './srtp.ts';
import type { SrtpLibrary } from './srtp-cipher.ts';
import type { SrtpMasterKey } from './srtp-keys.ts';
import { srtpLibrary } from './srtp-library.ts';
import type { SrtpSuite } from './srtp-suite.ts';

/** What comes from the party. */
export interface SrtpReceiving {
  suite: SrtpSuite;
  keys: readonly SrtpReceivingKey[];
}

/** What goes to it. */
export interface SrtpSending {
  suite: SrtpSuite;
  master: SrtpMasterKey;
}

/** After so many packets under new keys no late one under the old is waited for. */
const GRACE_PACKETS = 256;
const NO_KEY = -5;

export class SrtpSession {
  readonly refused: Record<SrtpRefusal, number> = {
    'too-short': 0,
    forged: 0,
    replayed: 0,
    'too-many-sources': 0,
    'no-key': 0,
    'worn-out': 0,
  };
  readonly #library: SrtpLibrary;
  #receiving: SrtpReceiving | undefined;
  #sending: SrtpSending | undefined;
  #receiver: SrtpReceiver | undefined;
  #previous: SrtpReceiver | undefined;
  #grace = 0;
  #sender: SrtpSender | undefined;

  constructor(library: SrtpLibrary = srtpLibrary()) {
    this.#library = library;
  }

  /** States or changes the keys of the party. The same ones as before change nothing: its counters go on. */
  receive(receiving: SrtpReceiving): void {
    if (this.#receiving !== undefined && isSameReceiving(this.#receiving, receiving)) return;
    this.#previous?.close();
    this.#previous = this.#receiver;
    this.#grace = GRACE_PACKETS;
    this.#receiving = receiving;
    this.#receiver = new SrtpReceiver(receiving.suite, receiving.keys, this.#library);
  }

  /** States or changes the key with which the party is spoken to. */
  send(sending: SrtpSending): void {
    const { suite, master } = sending;
    if (this.#sending?.suite === suite && this.#sending.master.equals(master)) return;
    this.#sender?.close();
    this.#sending = sending;
    this.#sender = new SrtpSender(suite, master, this.#library);
  }

  /** Opens a packet of the party in place. @returns its new length, or a refusal (negative), which is counted */
  open(kind: 'rtp' | 'rtcp', memory: Buffer, at: number, length: number): number {
    let result = openWith(this.#receiver, kind, memory, at, length);
    if (this.#previous !== undefined) {
      if (result >= 0) this.#countDown();
      else {
        const late = openWith(this.#previous, kind, memory, at, length);
        if (late >= 0) result = late;
      }
    }
    return result < 0 ? this.#refuse(result) : result;
  }

  /** Protects a packet for the party in place; SRTP_OVERHEAD_BYTES of room behind it. @returns as {@link open} */
  protect(kind: 'rtp' | 'rtcp', memory: Buffer, at: number, length: number): number {
    const sender = this.#sender;
    if (sender === undefined) return this.#refuse(NO_KEY);
    const result =
      kind === 'rtp' ? sender.protectRtp(memory, at, length) : sender.protectRtcp(memory, at, length);
    return result < 0 ? this.#refuse(result) : result;
  }

  #countDown(): void {
    this.#grace -= 1;
    if (this.#grace > 0) return;
    this.#previous?.close();
    this.#previous = undefined;
  }

  #refuse(result: number): number {
    this.refused[srtpRefusal(result)] += 1;
    return result;
  }

  /** Forgets all keys. */
  close(): void {
    this.#receiver?.close();
    this.#previous?.close();
    this.#sender?.close();
    this.#receiver = undefined;
    this.#previous = undefined;
    this.#sender = undefined;
  }
}

function openWith(
  receiver: SrtpReceiver | undefined,
  kind: 'rtp' | 'rtcp',
  memory: Buffer,
  at: number,
  length: number,
): number {
  if (receiver === undefined) return NO_KEY;
  return kind === 'rtp'
    ? receiver.unprotectRtp(memory, at, length)
    : receiver.unprotectRtcp(memory, at, length);
}

function isSameReceiving(one: SrtpReceiving, other: SrtpReceiving): boolean {
  if (one.suite !== other.suite || one.keys.length !== other.keys.length) return false;
  return one.keys.every(({ master, mki }, index) => {
    const key = other.keys[index];
    if (key === undefined || !master.equals(key.master)) return false;
    return mki === undefined || key.mki === undefined ? mki === key.mki : mki.equals(key.mki);
  });
}
