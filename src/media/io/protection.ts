// SRTP of a leg: what its ports do with packets, by what the media server tells of its keys.
import { SrtpSession } from '../../rtp/srtp-session.ts';
import { srtpSuite } from '../../rtp/srtp-suite.ts';
import type { LegProtection } from './engine.ts';
import type { PacketRewrite, PacketType } from './port-orders.ts';

export class LegSrtp {
  readonly #session = new SrtpSession();
  /** Of what comes from the party. */
  readonly inbound: PacketRewrite = {
    rewrite: (bytes, start, end, type) => placed(start, this.#session.open(type, bytes, start, end - start)),
  };
  /** Of what goes to it; there is room for what it grows by (see port.ts). */
  readonly outbound: PacketRewrite = {
    rewrite: (bytes: Buffer, start: number, end: number, type: PacketType) =>
      placed(start, this.#session.protect(type, bytes, start, end - start)),
  };

  /** Keys that are in force already stay, with their counters. */
  apply({ receive, send }: LegProtection): void {
    const heard = receive && srtpSuite(receive.suite);
    if (receive !== undefined && heard !== undefined) {
      const keys = receive.keys.map(({ master, mki }) => ({
        master: Buffer.from(master, 'base64'),
        mki: mki === undefined ? undefined : Buffer.from(mki, 'base64'),
      }));
      this.#session.receive({ suite: heard, keys });
    }
    const spoken = send && srtpSuite(send.suite);
    if (send !== undefined && spoken !== undefined)
      this.#session.send({ suite: spoken, master: Buffer.from(send.master, 'base64') });
  }

  close(): void {
    this.#session.close();
  }
}

function placed(start: number, length: number): number {
  return length < 0 ? -1 : start + length;
}
