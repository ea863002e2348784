// Which call an operator or an agent's desktop means: by its id, a part of it, or a DN that is in it.
import { GrecError } from '../errors.ts';
import type { Call } from './call.ts';

/** As for recordings: the end of a UUIDv7 is random, its beginning a time. */
const SHORT_ID_LENGTH = 8;
const PART_OF_ID = /^[0-9a-f-]{4,36}$/i;

/** The id as listings show it. */
export function shortCallId(id: string): string {
  return id.slice(-SHORT_ID_LENGTH);
}

/** The calls in which this DN is a party. */
export function callsOf(calls: Iterable<Call>, dn: string): Call[] {
  return [...calls].filter(({ legs }) => legs.a.party.dn === dn || legs.b.party.dn === dn);
}

/**
 * The one call that `word` means: its id, any part of it with four hexadecimal digits or more, or the DN of a party. A
 * whole id or a DN goes before a part.
 * @throws GrecError CALL_UNKNOWN, CALL_AMBIGUOUS
 */
export function findCall(calls: ReadonlyMap<string, Call>, word: string): Call {
  const exact = calls.get(word.toLowerCase());
  if (exact !== undefined) return exact;
  const ofDn = callsOf(calls.values(), word);
  const found = ofDn.length > 0 ? ofDn : byPart(calls, word);
  const [call] = found;
  if (call === undefined)
    throw new GrecError('CALL_UNKNOWN', `there is no call ${word} now`, {
      hint: '`grec calls` lists the calls that are up; a DN stands for the call it is in',
    });
  if (found.length > 1)
    throw new GrecError(
      'CALL_AMBIGUOUS',
      `${word} is in ${found.length} calls: ${found.map(describe).join(', ')}`,
      {
        hint: 'name one of them by its id',
      },
    );
  return call;
}

function byPart(calls: ReadonlyMap<string, Call>, word: string): Call[] {
  if (!PART_OF_ID.test(word)) return [];
  const part = word.toLowerCase();
  return [...calls.values()].filter(({ id }) => id.includes(part));
}

function describe({ id, legs }: Call): string {
  return `${shortCallId(id)} (${legs.a.party.number} to ${legs.b.party.number})`;
}
