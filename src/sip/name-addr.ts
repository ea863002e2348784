// name-addr and addr-spec with their parameters, as in From, To, Contact and routes (RFC 3261 sections 20.10 and 25.1).
import type { NameAddr } from './message.ts';
import { COMMA, find, GREATER, isSpace, LESS, QUESTION, QUOTE, Scanner, SEMICOLON } from './scan.ts';
import { isAcceptableUri } from './uri.ts';

/** One name-addr or addr-spec with its parameters, and nothing behind it. Undefined when malformed. */
export function parseNameAddr(text: string): NameAddr | undefined {
  const scanner = new Scanner(text);
  const nameAddr = scanNameAddr(scanner);
  return scanner.done ? nameAddr : undefined;
}

/** The name-addr or addr-spec at the scanner's position, with its parameters and the white space behind it. */
export function scanNameAddr(scanner: Scanner): NameAddr | undefined {
  scanner.skipSpace();
  const quoted = scanner.peek() === QUOTE;
  const name = quoted ? scanner.quoted() : scanPlainName(scanner);
  scanner.skipSpace();
  if (quoted && (name === undefined || scanner.peek() !== LESS)) return undefined;
  const uri = scanner.peek() === LESS ? scanBracketed(scanner) : scanBare(scanner);
  const params = uri === undefined ? undefined : scanner.params();
  return uri === undefined || params === undefined ? undefined : { name, uri, params };
}

/**
 * An unquoted display name before `<`, if there is one. It may hold more than tokens: phones send parentheses and letters
 * beyond ASCII without quotes. A comma or semicolon still ends it (RFC 4475 section 3.1.2.15).
 */
function scanPlainName(scanner: Scanner): string | undefined {
  const { text, at: start, end } = scanner;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === SEMICOLON || code === QUOTE || code === GREATER) return undefined;
    if (code !== LESS) continue;
    scanner.at = at;
    return text.slice(start, at).trimEnd() || undefined;
  }
  return undefined;
}

function scanBracketed(scanner: Scanner): string | undefined {
  const start = scanner.at + 1;
  const end = find(scanner.text, GREATER, start, scanner.end);
  if (end < 0 || !isAcceptableUri(scanner.text, start, end)) return undefined;
  scanner.at = end + 1;
  return scanner.text.slice(start, end);
}

/** An addr-spec without brackets. What stands behind `;` belongs to the header, and `?` must not be there (RFC 3261 section 20). */
function scanBare(scanner: Scanner): string | undefined {
  const { text, at: start } = scanner;
  for (; !scanner.done; scanner.at++) {
    const code = scanner.peek();
    if (code === QUESTION) return undefined;
    if (code === COMMA || code === SEMICOLON || isSpace(code)) break;
  }
  return isAcceptableUri(text, start, scanner.at) ? text.slice(start, scanner.at) : undefined;
}
