// Who asks: a user with rights, and the DNs whose recordings and calls they may see.
import type { Caller } from '../caller.ts';
import { type Right, type Role, rightsOf } from './access/rights.ts';
import type { AccessStore, Token, User } from './access/store.ts';

export interface Identity {
  user: string;
  role: Role | null;
  rights: ReadonlySet<Right>;
  /** Their own DNs. */
  own: ReadonlySet<string>;
  /** Theirs and of those below them; null: all. */
  sight: ReadonlySet<string> | null;
  /** For the audit log. */
  by: Caller;
  /** Of the token that they came with. */
  token: string | null;
}

/** @param address of the other end */
export function nobody(address: string): Identity {
  const by = { user: 'nobody', from: `web ${address}` };
  return { user: '', role: null, rights: new Set(), own: new Set(), sight: new Set(), by, token: null };
}

export function identityOf(store: AccessStore, user: User, token: Token | null, address: string): Identity {
  const { name, role, dns } = user;
  return {
    user: name,
    role,
    rights: rightsOf(role, token === null ? null : token.scopes),
    own: new Set(dns),
    sight: sightOf(store, user),
    by: { user: name, from: `web ${address}${token === null ? '' : `, token ${token.id}`}` },
    token: token === null ? null : token.id,
  };
}

function sightOf(store: AccessStore, { role, place, dns }: User): ReadonlySet<string> | null {
  if (role === 'admin') return null;
  if (role === 'supervisor') return new Set([...dns, ...store.dnsWithin(place)]);
  return new Set(role === 'agent' ? dns : []);
}

export function sees({ sight }: Pick<Identity, 'sight'>, dn: string | null): boolean {
  return sight === null || (dn !== null && sight.has(dn));
}
