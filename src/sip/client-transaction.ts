// What the two client transactions share: how the layer drives them and what they tell (RFC 3261 section 17.1).
import type { ClientUser } from './client-entry.ts';
import type { SipResponse } from './message.ts';
import type { Clock } from './timers.ts';
import type { Flow, Timers } from './user-agent-types.ts';

export type ClientFailure = 'timeout' | 'transport';

export interface ClientTransaction {
  readonly state: string;
  /** Sends the request; whatever happens then is told to the core. */
  start(): void;
  /** A response that belongs to this transaction. */
  receive(response: SipResponse, flow: Flow): void;
  /** Ends it; tells the core that no answer will come, unless the final one has. */
  fail(failure: ClientFailure, reason: string): void;
  /** Ends it without a word. */
  terminate(): void;
  /** INVITE only: from now on another one hears of it. */
  passOn?(user: ClientUser): void;
}

/** The user of a client transaction, and its surroundings. */
export interface ClientCore {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Every provisional response, the final response once, and every 2xx to an INVITE. */
  onResponse(response: SipResponse, flow: Flow): void;
  /** The final response has been told, and nothing will be from here on. */
  onSettled?(): void;
  /** Instead of a final response. */
  onFailure(failure: ClientFailure, reason: string): void;
  onTerminated(): void;
}
