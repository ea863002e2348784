// Which calls of the switch belong to one conversation (RFC 7989), and which of them is a call that has come back.
import type { Call } from './call.ts';
import type { CallPlan } from './call-model.ts';

type PartOfConversation = Pick<Call, 'state' | 'plan'>;

export class Conversations {
  /** By Session-ID. */
  readonly #calls = new Map<string, Set<PartOfConversation>>();

  add(call: PartOfConversation): void {
    const { sessionId } = call.plan;
    const calls = this.#calls.get(sessionId) ?? new Set();
    this.#calls.set(sessionId, calls.add(call));
  }

  /** `sessionId`: the conversation that it was part of, when it has moved to another one. */
  drop(call: PartOfConversation, sessionId = call.plan.sessionId): void {
    const calls = this.#calls.get(sessionId);
    calls?.delete(call);
    if (calls?.size === 0) this.#calls.delete(sessionId);
  }

  /** The same caller's same call, on its way already: a phone or a trunk has sent it back (RFC 3261 section 16.3 in spirit). */
  isLoop({ sessionId, from, to, dialled }: CallPlan): boolean {
    const calls = this.#calls.get(sessionId) ?? [];
    return [...calls].some(({ state, plan }) => {
      const isOnItsWay = state === 'setup' || state === 'ringing';
      const isSameNumber = (plan.dialled ?? plan.to.number) === (dialled ?? to.number);
      return isOnItsWay && isSameNumber && plan.from.number === from.number;
    });
  }
}
