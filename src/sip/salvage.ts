// What can still be read of the headers that an error response must repeat, when they are malformed (RFC 4475 section 3.1.2).

import { scanVias } from './decode-headers.ts';
import type { CSeq, NameAddr, Via } from './message.ts';
import { emptyParams, isToken, Scanner } from './scan.ts';
import { isAcceptableUri } from './uri.ts';

/** The first Via up to its first malformed parameter: enough to send a response back to where the request came from. */
export function salvageVia(text: string): Via[] | undefined {
  const semicolon = text.indexOf(';');
  const comma = text.indexOf(',');
  const end = Math.min(semicolon < 0 ? text.length : semicolon, comma < 0 ? text.length : comma);
  return scanVias(new Scanner(text.slice(0, end).trimEnd()));
}

/** The URI between the first pair of brackets, or one that says that there was none, and the tag. */
export function salvageNameAddr(text: string): NameAddr {
  const open = text.indexOf('<');
  const close = text.indexOf('>', open);
  const inside = open < 0 || close < 0 ? '' : text.slice(open + 1, close).trim();
  const params = emptyParams();
  const tag = salvageTag(close < 0 ? text : text.slice(close + 1));
  if (tag !== undefined) params['tag'] = tag;
  return { name: undefined, uri: isAcceptableUri(inside) ? inside : 'sip:unreadable.invalid', params };
}

function salvageTag(text: string): string | undefined {
  const start = text.toLowerCase().indexOf(';tag=');
  if (start < 0) return undefined;
  const scanner = new Scanner(text);
  scanner.at = start + 5;
  return scanner.value();
}

/** The method of a CSeq whose number is out of range; a client matches a response by branch and method (section 17.1.3). */
export function salvageCSeq(text: string): CSeq | undefined {
  const scanner = new Scanner(text);
  const digits = scanner.token();
  scanner.skipSpace();
  const method = scanner.token();
  if (!isToken(method) || !scanner.done || !isDigits(digits)) return undefined;
  return { seq: Number(digits.slice(0, 9)), method };
}

function isDigits(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 48 || code > 57) return false;
  }
  return text !== '';
}
