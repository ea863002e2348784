// History-Info (RFC 7044): whom a call was meant for, and where it was sent on to, entry after entry.
import { parseUri } from '../sip/uri.ts';

/** A number has sent a call on. */
export interface SentOn {
  /** The two numbers. */
  from: string;
  to: string;
  /** The status of its response, which says why (RFC 3326). */
  status: number;
  /** Of the places where it sent the call at once, from 1 on. */
  place: number;
}

/**
 * The history with the step that a call takes now: the entry of who sends it on says why, the next one where it goes.
 * @param history as a trunk has told it, or as it was after the step before; without an index that can be read it stays as it is
 * @param uriOf a number, as a URI of ours
 */
export function withStep(
  history: string | undefined,
  { from, to, status, place }: SentOn,
  uriOf: (number: string) => string,
): string {
  const last = history === undefined ? undefined : lastEntry(history);
  if (history !== undefined && last === undefined) return history;
  const isKnown = last !== undefined && userOf(last.uri) === from;
  const index = last === undefined ? '1' : isKnown ? last.index : `${last.index}.1`;
  const before = isKnown ? last.before : history === undefined ? [] : [history];
  const mine = isKnown ? last.text : `<${uriOf(from)}>;index=${index}`;
  const next = `<${uriOf(to)}>;index=${index}.${place};mp=${index}`;
  return [...before, withReason(mine, status), next].join(', ');
}

/** As a header within the URI, escaped (RFC 7044 section 5.1, RFC 3261 section 19.1.1). */
function withReason(entry: string, status: number): string {
  if (/[?&]reason=/i.test(entry)) return entry;
  return entry.replace('>', `${entry.includes('?') ? '&' : '?'}Reason=SIP%3Bcause%3D${status}>`);
}

interface LastEntry {
  /** What stands before it, if anything does. */
  before: string[];
  text: string;
  uri: string;
  /** `1.2`: of the place in the tree that the history is. */
  index: string;
}

function lastEntry(history: string): LastEntry | undefined {
  const comma = lastComma(history);
  if (comma === undefined) return undefined;
  const text = history.slice(comma + 1).trim();
  const uri = /<([^<>]*)>/.exec(text)?.[1];
  const index = /;\s*index\s*=\s*(\d{1,5}(?:\.\d{1,5}){0,20})\s*(?:;|$)/i.exec(text)?.[1];
  if (uri === undefined || index === undefined) return undefined;
  return { before: comma < 0 ? [] : [history.slice(0, comma)], text, uri, index };
}

/** The last comma that is neither in a URI nor in quotes; -1 when there is none, undefined when these do not end. */
function lastComma(text: string): number | undefined {
  let found = -1;
  let isQuoted = false;
  let isUri = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (isQuoted && char === '\\') at += 1;
    else if (char === '"' && !isUri) isQuoted = !isQuoted;
    else if (!isQuoted && char === '<') isUri = true;
    else if (!isQuoted && char === '>') isUri = false;
    else if (!isQuoted && !isUri && char === ',') found = at;
  }
  return isQuoted || isUri ? undefined : found;
}

function userOf(uri: string): string | undefined {
  // Of its headers nothing is asked, whatever they hold.
  return parseUri(uri.replace(/\?[^@]*$/, ''))?.user;
}
