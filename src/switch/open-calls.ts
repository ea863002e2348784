// The calls that are up: by id, by dialog, by conversation, and which DNs they keep busy.
import type { Dialog } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import type { Call } from './call.ts';
import type { CallPlan } from './call-model.ts';
import { Conversations } from './conversations.ts';
import type { DnStore } from './dn-store.ts';
import { EngagedDns } from './engaged.ts';
import type { Label } from './leg.ts';

export class OpenCalls {
  readonly #calls = new Map<string, Call>();
  readonly #store: DnStore;
  readonly #engaged = new EngagedDns();
  readonly #conversations = new Conversations();
  /** Who waits for a call to be gone. */
  readonly #whenGone = new Map<string, () => void>();

  constructor(store: DnStore) {
    this.#store = store;
  }

  get all(): ReadonlyMap<string, Call> {
    return this.#calls;
  }

  /** A new call; it is known to a restart from here on. */
  add(call: Call): void {
    this.#calls.set(call.id, call);
    this.#conversations.add(call);
    this.#store.noteOpenCall({ call: call.id, recording: call.recording?.id ?? null });
  }

  /** A call of an earlier life, which that life has made known. */
  takeUp(call: Call): void {
    this.#calls.set(call.id, call);
    this.#conversations.add(call);
    this.#noteEngaged(call);
  }

  drop(call: Call): void {
    this.#calls.delete(call.id);
    this.#conversations.drop(call);
    this.#store.forgetOpenCall(call.id);
    this.#whenGone.get(call.id)?.();
    this.#whenGone.delete(call.id);
  }

  /** Resolves when the call has been dropped. */
  whenGone(call: Call): Promise<void> {
    return new Promise((resolve) => this.#whenGone.set(call.id, resolve));
  }

  /** The call and the leg that a dialog belongs to. */
  ofDialog(dialog: Dialog): { call: Call; label: Label } | undefined {
    for (const call of this.#calls.values()) {
      const label = call.legOf(dialog);
      if (label !== undefined) return { call, label };
    }
    return undefined;
  }

  isLoop(plan: CallPlan): boolean {
    return this.#conversations.isLoop(plan);
  }

  isEngaged(number: string): boolean {
    return this.#engaged.has(number);
  }

  /** What happens to a call changes who is engaged: an answer, a transfer, its end. */
  note(event: EventBody): void {
    if (event.type === 'call.joined') return this.#moveConversation(event);
    if (event.type === 'call.released') return this.#engaged.drop(event.call);
    if (event.type !== 'call.answered' && event.type !== 'party.joined') return;
    const call = this.#calls.get(event.call);
    if (call !== undefined) this.#noteEngaged(call);
  }

  /** A transfer has joined its conversation to another one. */
  #moveConversation({ call: id, was }: { call: string; was: string }): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#conversations.drop(call, was);
    this.#conversations.add(call);
  }

  #noteEngaged({ id, legs }: Call): void {
    this.#engaged.note(id, [legs.a.party.dn, legs.b.party.dn]);
  }
}
