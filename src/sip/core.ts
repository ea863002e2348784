// What the parts of a user agent share: its layers, its dialogs, and the guard around its user's code.
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { DialogImpl } from './dialog.ts';
import type { Locator } from './locate.ts';
import type { IntervalPolicy } from './session-interval.ts';
import type { Clock } from './timers.ts';
import type { ServerTransaction, Transactions } from './transactions.ts';
import type { Transport } from './transport.ts';
import type { Timers, UserAgentOptions } from './user-agent-types.ts';

export interface Core {
  readonly user: Pick<UserAgentOptions, 'onInvite' | 'onRequest' | 'admit' | 'mayAlias' | 'successorOf'>;
  readonly product: string;
  /** What Allow says. */
  readonly allow: string;
  readonly sessionPolicy: IntervalPolicy;
  readonly log: Logger;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly transport: Pick<Transport, 'channelTo' | 'channelOf' | 'streamTo' | 'shunStream'>;
  readonly transactions: Transactions;
  readonly locator: Pick<Locator, 'locate'>;
  /** By {@link dialogKey}. */
  readonly dialogs: Map<string, DialogImpl>;
  /** What CANCEL means for an INVITE: the tag of its responses, and what ends it. */
  readonly cancellable: WeakMap<Pick<ServerTransaction, 'flow'>, { tag: string; cancel(): void }>;
  count(reason: string): void;
}

/**
 * Runs code of the user from within a socket's or timer's handler: what it throws is logged and goes no further.
 * @returns false when it threw
 */
export function guard(core: Core, what: string, run: () => void): boolean {
  try {
    run();
    return true;
  } catch (thrown) {
    core.count('handler-error');
    core.log.error({ err: thrown }, `${what} failed: ${messageOf(thrown)}`);
    return false;
  }
}
