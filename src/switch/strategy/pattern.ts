// Patterns of numbers and of text, as strategies write them: matched in bounded time, never as regular expressions.

/** What can be a DN; a number that a strategy names is one. */
export const NUMBER = /^[0-9A-Za-z+*#_.-]{1,32}$/;
const LONGEST_PATTERN = 128;

export interface Pattern {
  /** As it was written. */
  text: string;
  matches(value: string): boolean;
}

/** One place of a pattern: any run of characters, any one, any digit, or the character itself. */
type Token = { kind: 'run' | 'one' | 'digit' } | { kind: 'character'; character: string };

/** Why a text is no pattern of numbers, or undefined when it is one. */
export function numberPatternProblem(text: string): string | undefined {
  const [, first = '', last = ''] = /^(\+?[\dX]+)-(\+?[\dX]+)$/.exec(text) ?? [];
  if (first !== '') return rangeProblem(first, last);
  return textPatternProblem(text);
}

/**
 * A pattern of numbers: `*` stands for any run of characters, also none; `?` for any one; `X` for any digit; `7000-7099`
 * for a range of numbers of one length. After `\` any character stands for itself.
 * @param text one of which {@link numberPatternProblem} has nothing to say
 */
export function numberPattern(text: string): Pattern {
  const [, first, last] = /^(\+?\d+)-(\+?\d+)$/.exec(text) ?? [];
  if (first === undefined || last === undefined) return tokenPattern(text, readTokens(text, true));
  // Of the same length, digits compare like the numbers they write.
  const matches = (value: string) =>
    value.length === first.length && /^\+?\d+$/.test(value) && value >= first && value <= last;
  return { text, matches };
}

function rangeProblem(first: string, last: string): string | undefined {
  if (/X/.test(first + last)) return 'expected a range of digits alone, such as "7000-7099"';
  if (first.length !== last.length || first.startsWith('+') !== last.startsWith('+'))
    return 'expected a range whose ends have the same length, such as "7000-7099"; before a "-" that is part of the number put \\';
  return first > last ? 'expected a range that begins with the lower number' : undefined;
}

/** Why a text is no pattern of text, or undefined when it is one. */
export function textPatternProblem(text: string): string | undefined {
  if (text === '') return 'expected a pattern, not an empty string';
  if (text.length > LONGEST_PATTERN) return `expected a pattern of ${LONGEST_PATTERN} characters at most`;
  if (/\p{Cc}/u.test(text)) return 'expected a pattern of printable characters';
  if (/(^|[^\\])(\\\\)*\\$/.test(text)) return 'expected a character after the last \\';
  return undefined;
}

/** A pattern of text: `*` and `?` as in {@link numberPattern}, the case of letters all the same. */
export function textPattern(text: string): Pattern {
  const { matches } = tokenPattern(text, readTokens(text.toLowerCase(), false));
  return { text, matches: (value) => matches(value.toLowerCase()) };
}

function tokenPattern(text: string, tokens: readonly Token[]): Pattern {
  return { text, matches: (value) => matchTokens(tokens, value) };
}

function readTokens(text: string, hasDigits: boolean): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '*') tokens.push({ kind: 'run' });
    else if (character === '?') tokens.push({ kind: 'one' });
    else if (character === 'X' && hasDigits) tokens.push({ kind: 'digit' });
    else if (character === '\\') tokens.push({ kind: 'character', character: text.charAt(++at) });
    else tokens.push({ kind: 'character', character });
  }
  return tokens;
}

/** Only the last run is ever tried again, so the time is at most the product of both lengths. */
function matchTokens(tokens: readonly Token[], value: string): boolean {
  let at = 0;
  let token = 0;
  let run = -1;
  let runEnd = 0;
  while (at < value.length) {
    const next = tokens[token];
    if (next?.kind === 'run') {
      run = token++;
      runEnd = at;
    } else if (next !== undefined && fits(next, value.charAt(at))) {
      token++;
      at++;
    } else if (run >= 0) {
      token = run + 1;
      at = ++runEnd;
    } else return false;
  }
  while (tokens[token]?.kind === 'run') token++;
  return token === tokens.length;
}

function fits(token: Token, character: string): boolean {
  if (token.kind === 'character') return token.character === character;
  return token.kind !== 'digit' || (character >= '0' && character <= '9');
}
