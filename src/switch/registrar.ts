// The registrar: REGISTER against the DN table, behind digest (RFC 3261 section 10).
import { isSips } from '../sip/compose.ts';
import type { NameAddr, SipRequest } from '../sip/message.ts';
import { parseUri } from '../sip/uri.ts';
import type { IncomingRequest, ResponseOptions } from '../sip/user-agent.ts';
import type { DnStore, Registration } from './dn-store.ts';
import { pathOf } from './path.ts';
import { unavailable } from './unavailable.ts';

const LEAST_EXPIRES_S = 60;
/** Ten of them still fit into one answer. */
const LONGEST_CONTACT = 1024;
const LONGEST_PRODUCT = 200;

export interface RegistrarOptions {
  store: DnStore;
  /** Longest life of a registration, seconds; longer ones are shortened. */
  maxExpires: number;
  /** Contacts of one DN. */
  mostContacts: number;
  /** Contacts in all. */
  mostRegistrations: number;
  /** Milliseconds since 1970. */
  now(): number;
}

interface Answer extends ResponseOptions {
  status: number;
}

/** What a REGISTER asks for one contact; `expires` in seconds, 0 to remove it. */
interface Binding {
  contact: string;
  expires: number;
}

/**
 * Answers a REGISTER of the DN `number`, whose sender has been authenticated.
 * A contact is reached at the source of its REGISTER, which works for phones behind NAT and on TCP.
 */
export function register(request: IncomingRequest, number: string, options: RegistrarOptions): void {
  const answer = decide(request, number, options);
  request.respond(answer.status, answer);
}

function decide(request: IncomingRequest, number: string, options: RegistrarOptions): Answer {
  const { store, now } = options;
  const { message } = request;
  const current = store.registrations(number, now());
  const { contact } = message.headers;
  if (contact === undefined) return listing(current, now());
  if (contact === '*') return removeAll(message, number, options);
  // Calls to it would have to stay on TLS, which this way is not (RFC 5630 section 5.1.3).
  if (request.flow.peer.protocol !== 'tls' && contact.some(({ uri }) => isSips(uri)))
    return { status: 400, reason: 'SIPS Contact Needs TLS' };
  const asked = readBindings(contact, message, options.maxExpires);
  if (asked === undefined) return { status: 400, reason: 'Contact Not Understood' };
  const path = pathOf(message);
  if (path === undefined) return { status: 400, reason: 'Path Not Understood' };
  if (asked.some(({ expires }) => expires > 0 && expires < LEAST_EXPIRES_S)) {
    return { status: 423, headers: { 'min-expires': String(LEAST_EXPIRES_S) } };
  }
  if (asked.some((binding) => isOutOfOrder(binding, current, message)))
    return { status: 500, reason: 'CSeq Out Of Order' };
  const kept = current.filter((existing) => !asked.some((binding) => binding.contact === existing.contact));
  const added = asked
    .filter(({ expires }) => expires > 0)
    .map((binding) => ({ ...registrationOf(binding, number, request, now()), path }));
  const next = [...added, ...kept];
  const { mostContacts, mostRegistrations } = options;
  if (next.length > mostContacts) return { status: 403, reason: `At Most ${mostContacts} Contacts` };
  const more = next.length - current.length;
  if (more > 0 && store.registrationCount(now()) + more > mostRegistrations)
    return unavailable('Too Many Registrations');
  store.replaceRegistrations(number, next);
  const answer = listing(next, now());
  // RFC 3327 section 5.3: the phone, and each proxy, can see the way on which it will be called.
  return path === null ? answer : { ...answer, headers: { ...answer.headers, path } };
}

function removeAll(message: SipRequest, number: string, { store }: RegistrarOptions): Answer {
  if (message.headers.expires !== 0) return { status: 400, reason: 'Contact * Needs Expires 0' };
  store.replaceRegistrations(number, []);
  return { status: 200 };
}

function readBindings(contacts: NameAddr[], message: SipRequest, maxExpires: number): Binding[] | undefined {
  // By contact: one that is named twice is one, and the last word counts.
  const bindings = new Map<string, Binding>();
  for (const { uri, params } of contacts) {
    const parsed = parseUri(uri);
    if (parsed === undefined || parsed.scheme === 'tel' || uri.length > LONGEST_CONTACT) return undefined;
    const asked = params.expires ?? message.headers.expires ?? maxExpires;
    const expires = Number(asked);
    // RFC 3261 section 10.2.1.1: a malformed value counts as 3600.
    const seconds = Number.isInteger(expires) && expires >= 0 ? expires : 3600;
    bindings.set(uri, { contact: uri, expires: Math.min(seconds, maxExpires) });
  }
  return [...bindings.values()];
}

/** RFC 3261 section 10.3 step 7: within one Call-ID an older CSeq must not undo a newer one. */
function isOutOfOrder(binding: Binding, current: Registration[], message: SipRequest): boolean {
  const existing = current.find(({ contact }) => contact === binding.contact);
  return (
    existing !== undefined &&
    existing.callId === message.headers['call-id'] &&
    message.headers.cseq.seq <= existing.cseq
  );
}

function registrationOf(
  binding: Binding,
  number: string,
  request: IncomingRequest,
  now: number,
): Registration {
  const { message, flow } = request;
  const userAgent = message.headers['user-agent'];
  return {
    number,
    contact: binding.contact,
    protocol: flow.peer.protocol,
    address: flow.peer.address,
    port: flow.peer.port,
    expiresAt: now + binding.expires * 1000,
    callId: message.headers['call-id'],
    cseq: message.headers.cseq.seq,
    userAgent:
      typeof userAgent === 'string'
        ? userAgent.replaceAll(/[^\x20-\x7e]/g, '').slice(0, LONGEST_PRODUCT)
        : null,
  };
}

function listing(registrations: readonly Registration[], now: number): Answer {
  const contacts = registrations.map(
    ({ contact, expiresAt }) => `<${contact}>;expires=${Math.max(0, Math.round((expiresAt - now) / 1000))}`,
  );
  return { status: 200, headers: contacts.length === 0 ? {} : { contact: contacts.join(', ') } };
}
