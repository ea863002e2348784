// What the switch answers on its control socket: DNs and calls.
import type { ControlRoutes } from '../control.ts';
import { GrecError } from '../errors.ts';
import { hostOf } from '../sip/compose.ts';
import { ha1 } from '../sip/digest.ts';
import { callRoutes } from './call-routes.ts';
import { checkNumber, type Dn, readDnChange } from './dn.ts';
import type { Registration } from './dn-store.ts';
import type { Switch } from './switch.ts';

export function switchRoutes(parts: Switch): ControlRoutes {
  const { store } = parts;
  return {
    'GET /dns': () => ({ dns: store.dns().map((dn) => showDn(parts, dn)) }),
    'GET /dns/:number': ({ params }) => showDn(parts, known(parts, params['number'] ?? '')),
    'PUT /dns/:number': ({ params, body }) => putDn(parts, params['number'] ?? '', body),
    'DELETE /dns/:number': ({ params }) => ({ removed: store.removeDn(params['number'] ?? '') }),
    ...callRoutes(parts),
  };
}

function known(parts: Switch, number: string): Dn {
  const dn = parts.store.dn(number);
  if (dn !== undefined) return dn;
  throw new GrecError('DN_UNKNOWN', `there is no DN ${number}`, {
    hint: '`grec dn list` shows the DNs there are',
  });
}

/** Creates or changes a DN. Doing it again changes nothing, so scripts may repeat it. */
function putDn(parts: Switch, number: string, body: unknown) {
  const change = readDnChange(body);
  const existing = parts.store.dn(checkNumber(number));
  if (existing === undefined && !change.create) known(parts, number);
  const before = existing ?? { number, record: false, name: null, ha1: null, realm: null };
  const secret =
    change.password === undefined
      ? {}
      : { ha1: ha1(number, parts.realm, change.password), realm: parts.realm };
  const settings = {
    record: change.settings.record ?? before.record,
    name: change.settings.name === undefined ? before.name : change.settings.name,
  };
  const after: Dn = { ...before, ...settings, ...secret };
  const changed = existing === undefined || JSON.stringify(before) !== JSON.stringify(after);
  if (changed) parts.store.saveDn(after);
  return { dn: showDn(parts, after), created: existing === undefined, changed };
}

function showDn(parts: Switch, dn: Dn) {
  const now = Date.now();
  const { number, record, name } = dn;
  const calls = [...parts.calls.values()].filter(
    ({ plan }) => plan.from.dn === number || plan.to.dn === number,
  ).length;
  const registrations = parts.store
    .registrations(number, now)
    .map((registration) => showRegistration(registration, now));
  return { number, record, name, hasPassword: dn.ha1 !== null, registrations, calls };
}

function showRegistration(registration: Registration, now: number) {
  const { contact, protocol, address, port, expiresAt, userAgent } = registration;
  return {
    contact,
    transport: protocol,
    address: `${hostOf(address)}:${port}`,
    expiresInS: Math.round((expiresAt - now) / 1000),
    userAgent,
  };
}
