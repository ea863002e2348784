// The connections, TCP or TLS, over which contacts registered: a call to a phone takes the one that the phone opened (RFC 5626 in spirit).
import { isStream } from '../sip/protocol.ts';
import type { Flow, IncomingRequest } from '../sip/user-agent.ts';
import type { Registration } from './dn-store.ts';

/**
 * By DN and contact, so that no DN can put its own connection in the place of another's; never more than there are
 * registrations.
 */
export class RegisteredFlows {
  readonly #byNumber = new Map<string, Map<string, Flow>>();

  /** After a REGISTER of the DN `number`, whose contacts are now `registrations`. */
  note(number: string, { message, flow }: IncomingRequest, registrations: readonly Registration[]): void {
    const { contact = [] } = message.headers;
    const fresh = new Set(
      contact === '*' || !isStream(flow.peer.protocol) ? [] : contact.map(({ uri }) => uri),
    );
    const before = this.#byNumber.get(number);
    const flows = new Map<string, Flow>();
    for (const registration of registrations) {
      const known = fresh.has(registration.contact) ? flow : before?.get(registration.contact);
      if (isStream(registration.protocol) && known !== undefined) flows.set(registration.contact, known);
    }
    if (flows.size === 0) this.#byNumber.delete(number);
    else this.#byNumber.set(number, flows);
  }

  /** The connection, which may have ended since. */
  of({ number, contact, protocol }: Registration): Flow | undefined {
    return isStream(protocol) ? this.#byNumber.get(number)?.get(contact) : undefined;
  }
}
