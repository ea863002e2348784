// An INVITE that takes the place of a dialog: the Replaces header (RFC 3891).
import type { SipRequest } from './message.ts';
import type { Dialog } from './user-agent-types.ts';

/** The dialog to be replaced, as the one who holds it is told: to-tag is the local tag there. */
export interface Replaces {
  callId: string;
  toTag: string;
  fromTag: string;
  earlyOnly: boolean;
}

/** A Replaces header; undefined when it is malformed or there is more than one. */
export function parseReplaces(header: string): Replaces | undefined {
  const [callId = '', ...params] = header.split(';').map((part) => part.trim());
  const values = new Map<string, string>();
  for (const param of params) {
    const equals = param.indexOf('=');
    const name = (equals < 0 ? param : param.slice(0, equals)).trim().toLowerCase();
    if (values.has(name)) return undefined;
    values.set(name, equals < 0 ? '' : param.slice(equals + 1).trim());
  }
  const [toTag, fromTag] = [values.get('to-tag'), values.get('from-tag')];
  if (callId === '' || /[\s,]/.test(header.trim()) || !toTag || !fromTag) return undefined;
  return { callId, toTag, fromTag, earlyOnly: values.has('early-only') };
}

/** The header's value for a dialog of ours, as its peer is to name it towards us. */
export function printReplaces({ callId, toTag, fromTag, earlyOnly }: Replaces): string {
  return `${callId};to-tag=${toTag};from-tag=${fromTag}${earlyOnly ? ';early-only' : ''}`;
}

export type Replaced =
  | { kind: 'none' }
  | { kind: 'dialog'; dialog: Dialog }
  | { kind: 'refused'; status: number; reason?: string };

/** The dialog that an INVITE replaces, or why it cannot (section 3). */
export function replacedBy(
  { headers }: SipRequest,
  find: (callId: string, localTag: string, remoteTag: string) => Dialog | undefined,
): Replaced {
  const header = headers['replaces'];
  if (typeof header !== 'string') return { kind: 'none' };
  const replaces = parseReplaces(header);
  if (replaces === undefined) return { kind: 'refused', status: 400, reason: 'Bad Replaces' };
  const dialog = find(replaces.callId, replaces.toTag, replaces.fromTag);
  if (dialog === undefined) return { kind: 'refused', status: 481 };
  if (dialog.state === 'terminated') return { kind: 'refused', status: 603 };
  if (dialog.state === 'confirmed' && replaces.earlyOnly) return { kind: 'refused', status: 486 };
  // An early dialog can only be replaced where its INVITE came from.
  if (dialog.state === 'early' && dialog.role === 'callee') return { kind: 'refused', status: 481 };
  return { kind: 'dialog', dialog };
}
