// What a callee is shown of the caller, and of the way by which the call came (RFC 3323, RFC 3325, RFC 5806, RFC 7044).
//
// Trunks are a trust domain of ours: who calls is taken from them as they assert it, and told to them. A DN is who it has
// proven to be, whatever it writes of itself; only its wish for privacy counts.
import { nameAddr } from '../sip/compose.ts';
import type { NameAddr, SipRequest } from '../sip/message.ts';
import { tokensOf } from '../sip/option-tags.ts';
import type { ExtraHeaders, Peer } from '../sip/user-agent.ts';
import type { CallParty } from './call-model.ts';
import { type SentOn, withStep } from './history-info.ts';
import { numberUri } from './route.ts';

/** What the INVITE of a caller says of it beyond From; header values as they came. */
export interface ShownCaller {
  /** Its identity is not for those whom it calls (RFC 3323: `id`, `user`, `header`). */
  isHidden: boolean;
  privacy: string | undefined;
  /** P-Asserted-Identity of a trunk. */
  asserted: string | undefined;
  /** Diversion and History-Info of a trunk. */
  diverted: ExtraHeaders;
}

const NOTHING_SHOWN: ShownCaller = {
  isHidden: false,
  privacy: undefined,
  asserted: undefined,
  diverted: {},
};
const LONGEST = 2048;
const HIDING = ['id', 'user', 'header'];
const ANONYMOUS: NameAddr = {
  name: '"Anonymous"',
  uri: 'sip:anonymous@anonymous.invalid',
  params: Object.create(null),
};

export function readShownCaller({ headers }: SipRequest, isTrunk: boolean): ShownCaller {
  const privacy = textOf(headers['privacy']);
  const wishes = tokensOf(privacy?.replaceAll(';', ','));
  const diverted: ExtraHeaders = {};
  for (const name of ['diversion', 'history-info']) {
    const value = isTrunk ? textOf(headers[name]) : undefined;
    if (value !== undefined) diverted[name] = value;
  }
  return {
    isHidden: HIDING.some((wish) => wishes.includes(wish)),
    privacy,
    asserted: isTrunk ? textOf(headers['p-asserted-identity']) : undefined,
    diverted,
  };
}

/** More than this is no address. */
function textOf(header: unknown): string | undefined {
  return typeof header === 'string' && header !== '' && header.length <= LONGEST ? header : undefined;
}

/** What a callee is to be shown. `local` is our own address, the host of the numbers of DNs. */
export interface Showing {
  from: CallParty;
  shown: ShownCaller | undefined;
  isTrunk: boolean;
  local: Peer;
}

/** From of the INVITE to a callee. */
export function shownFrom({ from, shown, local }: Showing): { uri: string; name: string | undefined } {
  if (shown?.isHidden) return { uri: ANONYMOUS.uri, name: ANONYMOUS.name };
  return { uri: numberUri(from.number, local), name: from.name };
}

/** P-Asserted-Identity, Privacy, Diversion and History-Info of the INVITE to a callee. */
export function shownHeaders({ from, shown, isTrunk, local }: Showing): ExtraHeaders {
  const headers: ExtraHeaders = { ...shown?.diverted };
  if (shown?.privacy !== undefined) headers['privacy'] = shown.privacy;
  const asserted = from.trunk === undefined ? assertedOf(from, local) : shown?.asserted;
  // A phone is no part of the trust domain: it must not learn who wants to be hidden (RFC 3325 section 7).
  if (asserted !== undefined && (isTrunk || shown?.isHidden !== true))
    headers['p-asserted-identity'] = asserted;
  return headers;
}

function assertedOf({ number, name }: CallParty, local: Peer): string {
  const shown = nameAddr(numberUri(number, local), name);
  return shown.name === undefined ? `<${shown.uri}>` : `${shown.name} <${shown.uri}>`;
}

/** What callees are shown when a number has sent the call on to another one. */
export function afterRedirection(shown: ShownCaller | undefined, step: SentOn, local: Peer): ShownCaller {
  const known = shown ?? NOTHING_SHOWN;
  const { diverted, privacy } = known;
  const before = diverted['diversion'];
  // The newest stands first (RFC 5806 section 4).
  const entry = `<${numberUri(step.from, local)}>;reason=unconditional;counter=1`;
  const diversion = before === undefined ? entry : `${entry}, ${before}`;
  const history = isHistoryHidden(privacy)
    ? diverted['history-info']
    : withStep(diverted['history-info'], step, (number) => numberUri(number, local));
  return {
    ...known,
    diverted: { ...diverted, diversion, ...(history && { 'history-info': history }) },
  };
}

/** Who wants its history hidden gets none from us (RFC 7044 section 10.1.2). */
function isHistoryHidden(privacy: string | undefined): boolean {
  const wishes = tokensOf(privacy?.replaceAll(';', ','));
  return ['history', 'header', 'session'].some((wish) => wishes.includes(wish));
}
