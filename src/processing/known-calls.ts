// The calls that the journals have told of: those that are not settled, and those that are and may yet be part of more.
import type { JournalEvent } from '../spool/events.ts';
import { summaryOf } from './call-facts.ts';
import type { PendingCall } from './situation.ts';

/** More of them are forgotten before their time. */
const MOST_REMEMBERED = 50_000;

interface KnownCall extends PendingCall {
  events: JournalEvent[];
}

export class KnownCalls {
  readonly #pending = new Map<string, KnownCall>();
  /** In the order in which they were settled, with the time. */
  readonly #settled = new Map<string, { call: KnownCall; at: number }>();
  /** Settled calls by what links them with others: Session-IDs and calls. */
  readonly #links = new Map<string, Set<string>>();

  /** Those that are not settled. */
  pending(): PendingCall[] {
    return [...this.#pending.values()];
  }

  settled(): string[] {
    return [...this.#settled.keys()];
  }

  /**
   * Those that are not settled, and the settled ones that may be part of the same conversations.
   * @param touched calls of which there is something new besides events
   */
  linked(touched: Iterable<string> = []): PendingCall[] {
    const found = new Map<string, PendingCall>(this.#pending);
    for (const id of touched) this.#recall(id, found);
    for (const call of found.values())
      for (const link of linksOf(call)) for (const id of this.#links.get(link) ?? []) this.#recall(id, found);
    return [...found.values()];
  }

  #recall(id: string, found: Map<string, PendingCall>): void {
    const known = this.#settled.get(id);
    if (known !== undefined) found.set(id, known.call);
  }

  /** Events of one call stand in order of time; the same event again changes nothing. */
  add(id: string, event: JournalEvent, source: number): void {
    const settled = this.#settled.get(id)?.call;
    const call = this.#pending.get(id) ?? settled ?? { id, events: [], source };
    if (call.events.some((known) => isSame(known, event))) return;
    call.events.push(event);
    call.events.sort((one, other) => one.at - other.at || one.seq - other.seq);
    // What the media server says last of a call changes nothing.
    const isWord = event.daemon === 'grec-mediad' && event.type !== 'segment.opened';
    if (settled === undefined || !isWord) this.#reopen(call);
  }

  #reopen(call: KnownCall): void {
    this.#unlink(call);
    this.#settled.delete(call.id);
    this.#pending.set(call.id, call);
  }

  settle(id: string, at: number): void {
    const call = this.#pending.get(id);
    if (call === undefined) return;
    this.#pending.delete(id);
    this.#settled.set(id, { call, at });
    for (const link of linksOf(call)) this.#links.set(link, (this.#links.get(link) ?? new Set()).add(id));
  }

  /** All are to be looked at again. */
  reopenAll(): void {
    for (const { call } of [...this.#settled.values()]) this.#reopen(call);
  }

  /** Forgets what was settled before that time. @returns whom */
  forget(before: number): string[] {
    const forgotten: string[] = [];
    for (const [id, { call, at }] of this.#settled) {
      if (at > before && this.#settled.size <= MOST_REMEMBERED) break;
      this.#unlink(call);
      this.#settled.delete(id);
      forgotten.push(id);
    }
    return forgotten;
  }

  #unlink(call: KnownCall): void {
    for (const link of linksOf(call)) {
      const ids = this.#links.get(link);
      ids?.delete(call.id);
      if (ids?.size === 0) this.#links.delete(link);
    }
  }
}

function linksOf(call: PendingCall): string[] {
  const { sessions, consultations } = summaryOf(call);
  return [...sessions, call.id, ...consultations];
}

/** Its number alone does not tell: a journal that lost its end uses numbers again. */
function isSame(one: JournalEvent, other: JournalEvent): boolean {
  return one.seq === other.seq && one.daemon === other.daemon && one.at === other.at;
}
