// What the two server transactions share: how the layer drives them and what they tell (RFC 3261 section 17.2).
import type { SipRequest } from './message.ts';
import type { Clock } from './timers.ts';
import type { Timers } from './user-agent-types.ts';

/** The user of a server transaction, and its surroundings. */
export interface ServerCore {
  readonly clock: Clock;
  readonly timers: Timers;
  /** From here on nothing is said in it but what has been said before. */
  onSettled?(): void;
  onTerminated(): void;
}

/** What the user of an INVITE server transaction hears after it has been handed over. */
export interface ServerInviteListener {
  /** An ACK within the transaction while it is in the Accepted state: the ACK of a 2xx that reuses its branch. */
  onAck(ack: SipRequest): void;
  /** A response could not be sent: the caller is gone. */
  onTransportError(reason: string): void;
}

export interface ServerTransactionMachine {
  readonly state: string;
  /** The request has come again. */
  receiveAgain(): void;
  /** Sends a response: its bytes are kept and sent again as they are. A response after the final one is refused with false. */
  respond(status: number, bytes: Buffer): boolean;
  /** Ends it without a word. */
  terminate(): void;
}
