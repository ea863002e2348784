// Who may do what: each role has its rights, and a token has those of its user or fewer. Pure.

export const ROLES = ['agent', 'supervisor', 'admin', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

/** What a request may need; the names are those of a token's scopes. */
export const RIGHTS = [
  'recordings:read',
  'recordings:hear',
  'recordings:label',
  'recordings:hold',
  'calls:own',
  'calls:others',
  'dns:read',
  'dns:write',
  'audit:read',
] as const;
export type Right = (typeof RIGHTS)[number];

const AGENT: readonly Right[] = ['recordings:read', 'recordings:hear', 'calls:own', 'dns:read'];
const SUPERVISOR: readonly Right[] = [...AGENT, 'recordings:label', 'recordings:hold', 'calls:others'];

/** An auditor sees who did what, and hears nothing; an admin cannot read what is noted of admins. */
export const RIGHTS_OF: Record<Role, readonly Right[]> = {
  agent: AGENT,
  supervisor: SUPERVISOR,
  admin: [...SUPERVISOR, 'dns:write'],
  auditor: ['audit:read'],
};

/** @param scopes null: all of the role */
export function rightsOf(role: Role, scopes: readonly Right[] | null): ReadonlySet<Right> {
  const rights = RIGHTS_OF[role];
  return new Set(scopes === null ? rights : rights.filter((right) => scopes.includes(right)));
}

/** Whether a place of the hierarchy, such as `/A/B`, is `above` or below it. */
export function isWithin(place: string, above: string): boolean {
  return above === '/' || place === above || place.startsWith(`${above}/`);
}
