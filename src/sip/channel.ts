// One way out to one peer, as transactions and dialogs see it: bytes go in, failures are told.
import type { Peer } from './user-agent-types.ts';

/** A way to a peer. Sending never throws: what fails is told to `onError`, at most once for each send. */
export interface Channel {
  /** True when the transport itself delivers or fails (TCP): nothing is sent twice there. */
  readonly reliable: boolean;
  /** Our address as the peer can reach it: what stands in Via and Contact. */
  readonly local: Peer;
  readonly peer: Peer;
  /** @param onError gets the reason as text; never before `send` has returned */
  send(bytes: Buffer, onError: (reason: string) => void): void;
}
