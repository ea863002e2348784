// What an agent dials to log in on a phone and out of it: answered by the switch itself, by a call that ends at once.
import { GrecError } from '../errors.ts';
import { audioOf, createAnswer, createOffer, rtpFormats } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import { printSdp } from '../sdp/print.ts';
import type { MediaDescription, SessionDescription } from '../sdp/session-description.ts';
import type { IncomingInvite } from '../sip/user-agent.ts';
import type { Agents } from './agents.ts';
import { phrase } from './response-mapping.ts';
import { sdpOf, withSdp } from './sdp-body.ts';

export interface AgentCodes {
  /** Dialled before the number of the agent; empty: there is none. */
  login: string;
  logout: string;
}

export type AgentCode = { do: 'login'; agent: string } | { do: 'logout' };

/** What is asked by dialling a number, or undefined when it is a number like others. */
export function agentCodeOf(dialled: string, { login, logout }: AgentCodes): AgentCode | undefined {
  if (logout !== '' && dialled === logout) return { do: 'logout' };
  if (login === '' || !dialled.startsWith(login) || dialled === login) return undefined;
  return { do: 'login', agent: dialled.slice(login.length) };
}

/** Does what the phone of `dn` asks. Done, its call is answered and hung up; not done, it is refused with the reason. */
export function doAgentCode(invite: IncomingInvite, dn: string, code: AgentCode, agents: Agents): void {
  const answer = silence(invite);
  if (answer === undefined) return invite.respond(488);
  try {
    if (code.do === 'login') agents.logIn({ agent: code.agent, dn, force: false, by: 'feature-code' });
    else agents.clear(dn, 'logged out at the phone');
  } catch (thrown) {
    return refuse(invite, thrown);
  }
  const dialog = invite.accept({ body: withSdp(Buffer.from(printSdp(answer))) });
  void dialog.bye();
}

function refuse(invite: IncomingInvite, thrown: unknown): void {
  if (!(thrown instanceof GrecError)) throw thrown;
  const status = thrown.code === 'AGENT_LOGGED_IN' ? 486 : 403;
  invite.respond(status, { reason: phrase(thrown.message) });
}

/** Of a port that nothing is sent from, nor to (RFC 863). */
const DISCARD_PORT = 9;

/**
 * A description with which the call can be answered, and that asks for no media (RFC 3264 sections 6 and 8.4).
 * @returns undefined when the offer cannot be read
 */
function silence({ flow, message }: IncomingInvite): SessionDescription | undefined {
  const local = { address: flow.local.address, port: DISCARD_PORT, direction: 'inactive' } as const;
  const bytes = sdpOf(message);
  if (bytes === undefined) return createOffer({ ...local, encodings: ['PCMA', 'PCMU'] });
  const parsed = parseSdp(bytes);
  if (!parsed.ok) return undefined;
  const audio = audioOf(parsed.sdp);
  const encodings = audio === undefined ? [] : rtpFormats(audio).map(({ encoding }) => encoding);
  const answer = createAnswer(parsed.sdp, { ...local, encodings });
  return answer ?? { ...createOffer({ ...local, encodings: [] }), media: parsed.sdp.media.map(refused) };
}

function refused({ media, protocol, formats }: MediaDescription): MediaDescription {
  return { media, port: 0, protocol, formats, bandwidths: [], other: [], attributes: [] };
}
