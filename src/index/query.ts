// What somebody types into a search box, as a question to FTS5 (SQLite): no text is an error of syntax there.
//
//   refund            the word                      refund OR voucher    either
//   "money back"      the words in this order       refund NOT order     the one without the other; -order does as well
//   refu*             words that begin so           money NEAR/5 back    with five words between at most
//
// Words without anything between them are all in one passage.
import { GrecError } from '../errors.ts';

const LONGEST_QUERY = 1000;
const MOST_TERMS = 40;
const NEAR_WORDS = 10;
const SHORTEST_PREFIX = 2;

type Token = { term: string } | { join: 'OR' | 'NOT' } | { near: number };

/**
 * The question in FTS5's words, about the column `text`; undefined when nothing is asked for.
 * @throws GrecError USAGE: too long, nothing but what is not to be there
 */
export function readQuery(text: string): string | undefined {
  if (text.length > LONGEST_QUERY)
    throw new GrecError('USAGE', `a question has ${LONGEST_QUERY} characters at most`);
  const tokens = tokensOf(text.toWellFormed().replaceAll(/\p{Cc}/gu, ' '));
  const terms = tokens.filter((token) => 'term' in token).length;
  if (terms > MOST_TERMS)
    throw new GrecError('USAGE', `a question has ${MOST_TERMS} words and phrases at most`);
  if (terms === 0) return undefined;
  const alternatives = split(tokens, (token) => 'join' in token && token.join === 'OR');
  const asked = alternatives.map(conjunctionOf).filter((one) => one !== '');
  return `{text} : (${asked.join(' OR ')})`;
}

/** Arguments of a command line as one text: what the shell was told to keep together is a phrase. */
export function joinArguments(words: readonly string[]): string {
  return words.map((word) => (/\s/.test(word) && !word.includes('"') ? `"${word}"` : word)).join(' ');
}

function tokensOf(text: string): Token[] {
  return [...text.matchAll(/(-?)"([^"]*)"?(\*?)|(\S+)/g)].flatMap(
    ([, minus, quoted, star, bare]): Token[] => {
      if (bare === undefined) return termOf(quoted ?? '', { isPrefix: star === '*', isNot: minus === '-' });
      if (bare === 'OR' || bare === 'NOT') return [{ join: bare }];
      if (bare === 'AND') return [];
      const near = /^NEAR(?:\/(\d{1,3}))?$/.exec(bare);
      if (near !== null) return [{ near: Number(near[1] ?? NEAR_WORDS) }];
      return bareTerms(bare);
    },
  );
}

/** A word may stand right against a phrase. */
function bareTerms(bare: string): Token[] {
  const isNot = /^-[^-]/.test(bare);
  const word = isNot ? bare.slice(1) : bare;
  return termOf(word.replace(/\*+$/, ''), { isPrefix: word.endsWith('*'), isNot });
}

/** Nothing for what has no letter and no digit: it would match nothing. */
function termOf(text: string, { isPrefix, isNot }: { isPrefix: boolean; isNot: boolean }): Token[] {
  const words = text.replaceAll('"', ' ').trim();
  const letters = words.match(/[\p{L}\p{N}]/gu)?.length ?? 0;
  if (letters === 0) return [];
  if (isPrefix && letters < SHORTEST_PREFIX)
    throw new GrecError('USAGE', `${text}* is too short: ${SHORTEST_PREFIX} letters at least before the *`);
  return [...(isNot ? [{ join: 'NOT' as const }] : []), { term: isPrefix ? `"${words}" *` : `"${words}"` }];
}

function conjunctionOf(tokens: readonly Token[]): string {
  const [wanted = [], ...unwanted] = split(tokens, (token) => 'join' in token && token.join === 'NOT');
  const positive = [...groupsOf(wanted), ...unwanted.flatMap((part) => groupsOf(part).slice(1))];
  const negative = unwanted.flatMap((part) => groupsOf(part).slice(0, 1));
  if (positive.length === 0 && negative.length > 0)
    throw new GrecError('USAGE', 'a question says what is wanted, not only what is not', {
      hint: 'for example: refund NOT order',
    });
  const all = positive.join(' AND ');
  return negative.length === 0 ? bracket(all) : `((${all}) NOT (${negative.join(' OR ')}))`;
}

function bracket(text: string): string {
  return text === '' ? '' : `(${text})`;
}

/** Terms, and those that are to be near each other together. */
function groupsOf(tokens: readonly Token[]): string[] {
  const groups: { terms: string[]; near: number }[] = [];
  let near: number | undefined;
  for (const token of tokens) {
    if ('near' in token) near = Math.max(near ?? 0, token.near);
    if (!('term' in token)) continue;
    const last = groups.at(-1);
    if (near !== undefined && last !== undefined) {
      last.terms.push(token.term);
      last.near = Math.max(last.near, near);
    } else groups.push({ terms: [token.term], near: 0 });
    near = undefined;
  }
  return groups.map(({ terms, near }) =>
    terms.length === 1 ? (terms[0] ?? '') : `NEAR(${terms.join(' ')}, ${near})`,
  );
}

function split(tokens: readonly Token[], isBetween: (token: Token) => boolean): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (isBetween(token)) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}
