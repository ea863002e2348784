// The connections, TCP or TLS, over which contacts registered: a call to a phone takes the one that the phone opened (RFC 5626 in spirit).
import type { NameAddr } from '../sip/message.ts';
import { isStream } from '../sip/protocol.ts';
import { EARLIER_LIFE } from '../sip/stored-dialog.ts';
import type { Flow, IncomingRequest } from '../sip/user-agent.ts';
import type { Registration } from './dn-store.ts';

/** Phones that have connected again; the oldest are forgotten. */
const MOST_SUCCESSORS = 10_000;
/** Of one DN: as many as may register, and those that they have replaced. */
const MOST_PHONES = 20;

/**
 * By DN and contact, so that no DN can put its own connection in the place of another's; never more than there are
 * registrations.
 */
export class RegisteredFlows {
  readonly #byNumber = new Map<string, Map<string, Flow>>();
  /** By DN and phone, the connection over which it registered last. */
  readonly #byPhone = new Map<string, Map<string, Flow>>();
  /** By DN and name of a connection, the one with which the same phone has registered since. */
  readonly #successors = new Map<string, Flow>();

  /** After a REGISTER of the DN `number`, whose contacts are now `registrations`. */
  note(number: string, { message, flow }: IncomingRequest, registrations: readonly Registration[]): void {
    const { contact = [] } = message.headers;
    const contacts = contact === '*' || !isStream(flow.peer.protocol) ? [] : contact;
    const registered = new Set(registrations.map((registration) => registration.contact));
    this.#succeed(
      number,
      contacts.filter(({ uri }) => registered.has(uri)),
      flow,
    );
    const fresh = new Set(contacts.map(({ uri }) => uri));
    const before = this.#byNumber.get(number);
    const flows = new Map<string, Flow>();
    for (const registration of registrations) {
      const known = fresh.has(registration.contact) ? flow : before?.get(registration.contact);
      if (isStream(registration.protocol) && known !== undefined) flows.set(registration.contact, known);
    }
    if (flows.size === 0) this.#forget(number);
    else this.#byNumber.set(number, flows);
  }

  #succeed(number: string, contacts: readonly NameAddr[], flow: Flow): void {
    const phones = this.#byPhone.get(number) ?? new Map<string, Flow>();
    for (const contact of contacts) {
      const phone = phoneOf(contact);
      const last = phones.get(phone);
      if (last !== undefined && last.id !== flow.id) this.#noteSuccessor(number, last, flow);
      phones.delete(phone);
      phones.set(phone, flow);
    }
    for (const oldest of [...phones.keys()].slice(0, Math.max(0, phones.size - MOST_PHONES)))
      phones.delete(oldest);
    if (phones.size > 0) this.#byPhone.set(number, phones);
  }

  #noteSuccessor(number: string, last: Flow, flow: Flow): void {
    const [oldest] = this.#successors.keys();
    if (this.#successors.size >= MOST_SUCCESSORS && oldest !== undefined) this.#successors.delete(oldest);
    // The newest has none: no way leads round.
    this.#successors.delete(`${number} ${flow.id}`);
    this.#successors.set(`${number} ${last.id}`, flow);
  }

  #forget(number: string): void {
    this.#byNumber.delete(number);
    this.#byPhone.delete(number);
  }

  /** The connection, which may have ended since. */
  of({ number, contact, protocol }: Registration): Flow | undefined {
    return isStream(protocol) ? this.#byNumber.get(number)?.get(contact) : undefined;
  }

  /**
   * The connection that a phone of the DN `number` has opened in the place of one that has ended. Several DNs may share a
   * connection, that of a proxy: one of them that leaves it takes none of the others' calls along.
   */
  successorOf(flow: Flow, number: string): Flow | undefined {
    if (flow.id === EARLIER_LIFE) return this.#sinceRestart(flow, number);
    let last: Flow | undefined;
    let next = this.#successors.get(`${number} ${flow.id}`);
    // A loop: a phone may have connected anew more often than a stack is deep.
    while (next !== undefined) {
      last = next;
      next = this.#successors.get(`${number} ${next.id}`);
    }
    return last;
  }

  /** The switch was started again, and so were all connections: the phone is known by its address, if that is no other's. */
  #sinceRestart({ peer }: Flow, number: string): Flow | undefined {
    const phones = [...(this.#byPhone.get(number)?.values() ?? [])].filter(
      (flow) => flow.peer.protocol === peer.protocol && flow.peer.address === peer.address,
    );
    return phones.length === 1 ? phones[0] : undefined;
  }
}

/** What stays the same when a phone connects again: its instance (RFC 5626 section 4.1), else its contact. */
function phoneOf({ uri, params }: NameAddr): string {
  return params['+sip.instance'] ?? uri;
}
