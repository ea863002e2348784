// Changes of DNs and logins over the control socket, noted in the audit log before they are made. No password is.
import { audited, type Note } from '../audit/by-daemon.ts';
import type { AuditEntry, Details } from '../audit/record.ts';
import { UNKNOWN } from '../caller.ts';
import type { ControlRequest, ControlRoute, ControlRoutes } from '../control.ts';
import { SETTING_NAMES } from '../dn-settings.ts';

const CHANGES = /^(PUT|DELETE) \/(dns|agents)(\/|$)/;

/** Those that change nothing are as they were. */
export function auditedRoutes(routes: ControlRoutes, note: Note): ControlRoutes {
  return Object.fromEntries(
    Object.entries(routes).map(([pattern, route]) => [
      pattern,
      CHANGES.test(pattern) ? auditedRoute(pattern, route, note) : route,
    ]),
  );
}

function auditedRoute(pattern: string, route: ControlRoute, note: Note): ControlRoute {
  return (request) => {
    const entry = pattern.includes('/agents') ? ofAgent(pattern, request) : ofDn(pattern, request);
    return audited(note, request.by ?? UNKNOWN, entry, () => route(request));
  };
}

function ofAgent(pattern: string, { params, body }: ControlRequest): AuditEntry {
  const agent = params['agent'] ?? '';
  if (pattern.startsWith('DELETE')) return { what: 'agent', details: { action: 'logout', agent } };
  return { what: 'agent', details: { action: 'login', agent, ...scalars(body, ['dn', 'force']) } };
}

function ofDn(pattern: string, { params, body }: ControlRequest): AuditEntry {
  const { number } = params;
  if (number === undefined) return { what: 'dn', details: { action: 'import', dns: countOf(body) } };
  if (pattern.startsWith('DELETE')) return { what: 'dn', details: { action: 'remove', number } };
  const settings = isObject(body) ? scalars(body['settings'], ['name', ...SETTING_NAMES]) : {};
  const password = isObject(body) && body['password'] !== undefined ? { password: true } : {};
  return {
    what: 'dn',
    details: { action: 'set', number, ...scalars(body, ['type']), ...settings, ...password },
  };
}

function countOf(body: unknown): number {
  const dns = isObject(body) ? body['dns'] : undefined;
  return Array.isArray(dns) ? dns.length : 0;
}

/** Those of these keys that have a plain value: of whatever else stands there nothing is known, it may be a password. */
function scalars(value: unknown, keys: readonly string[]): Details {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    keys.flatMap((key): [string, Details[string]][] => {
      const one = value[key];
      const isPlain = one === null || ['string', 'number', 'boolean'].includes(typeof one);
      return isPlain ? [[key, one as Details[string]]] : [];
    }),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
