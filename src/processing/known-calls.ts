// The calls that the journals have told of: those that are not settled, and those that are and may yet be part of more.
//
// Of a settled call only what links it with others stays in memory: its events stand in the catalog until it is
// forgotten, and are recalled when something concerns it.
import type { JournalEvent } from '../spool/events.ts';
import { summaryOf } from './call-facts.ts';
import type { PendingCall } from './situation.ts';

/** More of them are forgotten before their time. */
const MOST_REMEMBERED = 50_000;

interface KnownCall extends PendingCall {
  events: JournalEvent[];
}

interface SettledCall {
  source: number | undefined;
  /** Wall clock, microseconds since 1970. */
  at: number;
  /** What it has in common with calls of the same conversation: Session-IDs and ids of calls. */
  links: readonly string[];
}

export class KnownCalls {
  readonly #eventsOf: (call: string) => JournalEvent[];
  readonly #pending = new Map<string, KnownCall>();
  /** In the order in which they were settled. */
  readonly #settled = new Map<string, SettledCall>();
  /** Settled ones of which there is something new. */
  readonly #reopened = new Set<string>();
  /** Settled calls by their links. */
  readonly #links = new Map<string, Set<string>>();

  /** @param eventsOf the events of a call that were told before, in any order */
  constructor(eventsOf: (call: string) => JournalEvent[]) {
    this.#eventsOf = eventsOf;
  }

  /** Those that are not settled. Throws what recalling throws, and is asked again then. */
  pending(): PendingCall[] {
    for (const id of this.#reopened) {
      const call = this.#settled.get(id);
      if (call !== undefined) this.#pending.set(id, this.#recall(id, call));
      this.#unsettle(id);
    }
    return [...this.#pending.values()];
  }

  /** Whether it is not forgotten. */
  isKnown(id: string): boolean {
    return this.#pending.has(id) || this.#settled.has(id);
  }

  /**
   * Those that are not settled, and the settled ones that may be part of the same conversations.
   * @param touched calls of which there is something new besides events
   */
  linked(touched: Iterable<string> = []): PendingCall[] {
    const found = new Map<string, PendingCall>(this.pending().map((call) => [call.id, call]));
    const add = (id: string) => {
      const settled = found.has(id) ? undefined : this.#settled.get(id);
      if (settled !== undefined) found.set(id, this.#recall(id, settled));
    };
    for (const id of touched) add(id);
    // What is added here is looked at, too.
    for (const call of found.values())
      for (const link of linksOf(call)) for (const id of this.#links.get(link) ?? []) add(id);
    return [...found.values()];
  }

  #recall(id: string, { source }: SettledCall): KnownCall {
    return { id, events: this.#eventsOf(id).toSorted(byTime), source };
  }

  /** Events of one call stand in order of time; the same event again changes nothing. */
  add(id: string, event: JournalEvent, source: number): void {
    if (this.#settled.has(id)) {
      // What the media server says last of a call changes nothing.
      if (event.daemon !== 'grec-mediad' || event.type === 'segment.opened') this.#reopened.add(id);
      return;
    }
    const call = this.#pending.get(id) ?? { id, events: [], source };
    if (call.events.some((known) => isSame(known, event))) return;
    call.events.push(event);
    call.events.sort(byTime);
    this.#pending.set(id, call);
  }

  settle(id: string, at: number): void {
    const call = this.#pending.get(id);
    if (call === undefined) return;
    const links = linksOf(call);
    this.#pending.delete(id);
    this.#settled.set(id, { source: call.source, at, links });
    for (const link of links) this.#links.set(link, (this.#links.get(link) ?? new Set()).add(id));
  }

  /** The settled ones are to be told of again. */
  forgetSettled(): void {
    for (const id of [...this.#settled.keys()]) this.#unsettle(id);
  }

  /** Forgets what was settled before that time. @returns whom */
  forget(before: number): string[] {
    const forgotten: string[] = [];
    for (const [id, { at }] of this.#settled) {
      if (at > before && this.#settled.size <= MOST_REMEMBERED) break;
      // There is something new of it: it is settled anew before it may be forgotten.
      if (this.#reopened.has(id)) continue;
      this.#unsettle(id);
      forgotten.push(id);
    }
    return forgotten;
  }

  #unsettle(id: string): void {
    for (const link of this.#settled.get(id)?.links ?? []) {
      const ids = this.#links.get(link);
      ids?.delete(id);
      if (ids?.size === 0) this.#links.delete(link);
    }
    this.#settled.delete(id);
    this.#reopened.delete(id);
  }
}

function linksOf(call: PendingCall): string[] {
  const { sessions, consultations } = summaryOf(call);
  return [...new Set([...sessions, call.id, ...consultations])];
}

function byTime(one: JournalEvent, other: JournalEvent): number {
  return one.at - other.at || one.seq - other.seq;
}

/** Its number alone does not tell: a journal that lost its end uses numbers again. */
function isSame(one: JournalEvent, other: JournalEvent): boolean {
  return one.seq === other.seq && one.daemon === other.daemon && one.at === other.at;
}
