// A party that a test drives by hand: a user agent at the switch with its own SDP, for what the test phones are too polite to do.
import { silentLogger } from '../../src/log.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import {
  createUserAgent,
  type Dialog,
  type IncomingInvite,
  type UserAgent,
} from '../../src/sip/user-agent.ts';
import { openPhoneMedia, type PhoneMedia } from '../../src/testing/phone-media.ts';
import type { Installation } from './installation.ts';

const SDP_TYPE = 'application/sdp';

export interface Party {
  agent: UserAgent;
  media: PhoneMedia;
  /** Its next description; `lines` take the place of address, media line and attributes. */
  sdp(lines?: string[]): { type: string; bytes: string };
  /** The calls that came, in order. */
  nextInvite(): Promise<IncomingInvite>;
  /** Calls; resolves with the final response, and the dialog when it is a 2xx. `answer` goes into the ACK. */
  call(
    number: string,
    offer?: string[] | null,
    answer?: string[],
  ): Promise<{ response: SipResponse; dialog?: Dialog }>;
  close(): Promise<void>;
}

/** A registered one; the DN is made with these settings. */
export async function openParty(
  installation: Installation,
  number: string,
  options: { record?: boolean; protocol?: 'udp' | 'tcp' } = {},
): Promise<Party> {
  const { record = false, protocol = 'udp' } = options;
  const { host, port } = installation.sip;
  const credentials = { username: number, password: `secret-${number}` };
  await installation.addDn(number, credentials.password, { record });
  const invites: IncomingInvite[] = [];
  const takers: ((invite: IncomingInvite) => void)[] = [];
  const agent = await createUserAgent({
    listen: [{ protocol, host: '127.0.0.1', port: 0 }],
    log: silentLogger(),
    product: 'party',
    onInvite: (invite) => {
      const taker = takers.shift();
      if (taker === undefined) invites.push(invite);
      else taker(invite);
    },
    onRequest: (request) => request.respond(200),
  });
  const media = await openPhoneMedia('127.0.0.1');
  const uri = `sip:${number}@${host}`;
  const transport = protocol === 'tcp' ? ';transport=tcp' : '';
  const contact = `<sip:${number}@127.0.0.1:${agent.listening[0]?.port}${transport}>`;
  const peer = { protocol, address: host, port };
  const { status } = await agent.request({
    method: 'REGISTER',
    uri: `sip:${host}:${port}`,
    from: { uri },
    to: { uri },
    peer,
    headers: { contact, expires: '300' },
    credentials,
  });
  if (status !== 200) throw new Error(`${number} could not register: ${status}`);
  let version = 0;
  const sdp: Party['sdp'] = (
    lines = ['c=IN IP4 127.0.0.1', `m=audio ${media.rtpPort} RTP/AVP 0`, 'a=rtpmap:0 PCMU/8000'],
  ) => {
    version += 1;
    const [connection = '', ...rest] = lines;
    const head = ['v=0', `o=- ${number} ${version} IN IP4 127.0.0.1`, 's=-', connection, 't=0 0'];
    return { type: SDP_TYPE, bytes: `${[...head, ...rest].join('\r\n')}\r\n` };
  };
  return {
    agent,
    media,
    sdp,
    nextInvite: () => {
      const invite = invites.shift();
      if (invite !== undefined) return Promise.resolve(invite);
      return new Promise((resolve) => takers.push(resolve));
    },
    call: (to, offer, answer) =>
      new Promise((resolve) => {
        const target = `sip:${to}@${host}:${port}`;
        agent.invite({
          uri: target,
          from: { uri },
          to: { uri: target },
          peer,
          credentials,
          ...(offer === null ? {} : { body: sdp(offer) }),
          onAccepted: (response, dialog, ack) => {
            ack(offer === null ? sdp(answer) : undefined);
            resolve({ response, dialog });
          },
          onRejected: (response) => resolve({ response }),
        });
      }),
    close: async () => {
      await media.close();
      await agent.close();
    },
  };
}

/** The audio port and the formats of the description that came. */
export function audioIn(message: { body: Buffer }): { port: number; formats: string } {
  const match = /m=audio (\d+) \S+ ([\d ]+)/.exec(message.body.toString());
  return { port: Number(match?.[1]), formats: match?.[2] ?? '' };
}
