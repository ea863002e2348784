// A routing strategy: what is asked of a call, and what is decided for it.
import type { Actions } from './schema.ts';

/** A call, as far as strategies look at it. */
export interface StrategyCall {
  /** 32 hexadecimal digits (RFC 7989). */
  sessionId: string;
  /** The caller's number: that of its DN, or what the trunk says. */
  from: string;
  /** The number that was dialled. */
  to: string;
  /** The DN that calls, when one does. */
  dn: string | undefined;
  /** The name of the trunk that the call comes from, when it does. */
  trunk: string | undefined;
  /** By lower-case name. */
  headers: Readonly<Record<string, string>>;
}

/** `source` is the caller's side, `destination` the called one; the strategy overrides what the DN of that side says. */
export const RECORD_WORDS = ['source', 'destination', 'disable_source', 'disable_destination'] as const;
export type RecordWord = (typeof RECORD_WORDS)[number];

export const RINGS = ['in-order', 'together'] as const;
export type Ring = (typeof RINGS)[number];

export type RouteWord =
  /** To the number that was dialled, as without a strategy. */
  | { kind: 'dialled' }
  | { kind: 'dn'; dns: readonly string[]; ring: Ring; ringTimeMs: number }
  | { kind: 'trunk'; trunk: string }
  | { kind: 'reject'; status: number; reason: string | undefined }
  /** The external strategy is to be asked. */
  | { kind: 'external' };

export interface Decision {
  /** The names of the rules that made it, the deciding one last; empty when none matched. */
  rules: readonly string[];
  route: RouteWord;
  record: { word: RecordWord; rule: string } | undefined;
  /** The retention class of the recording, before that of the DN. */
  retention?: string | undefined;
  /** Travels with the call into the recording's metadata. */
  attach: Readonly<Record<string, string>>;
}

export interface Condition {
  /** Its key in the file: `match.from`. */
  key: string;
  /** @param now milliseconds since 1970 */
  holds(call: StrategyCall, now: number): boolean;
}

export interface Rule {
  name: string;
  /** All must hold. */
  conditions: readonly Condition[];
  actions: Actions;
}

export interface External {
  url: string;
  timeoutMs: number;
  /** The rule that is applied, whatever it matches, when there is no usable answer. */
  fallback: Rule;
}

export interface Strategy {
  rules: readonly Rule[];
  /** By number. */
  points: ReadonlyMap<string, readonly Rule[]>;
  /** Applies to calls that no rule matches. */
  fallthrough: Actions | undefined;
  external: External | undefined;
}
