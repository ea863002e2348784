// Answered calls between fake parties who describe their media truly, for the tests of transfers.
import type { Dialog, OutgoingInviteOptions } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import {
  FakeDialog,
  FakeInvite,
  FakeUserAgent,
  fakeRequest,
  fakeResponse,
} from '../testing/fake-user-agent.ts';
import { Call, type CallPlan } from './call.ts';
import { fakeContext } from './call-fixture.ts';
import type { CallMedia } from './call-media.ts';
import type { RefusedRoute } from './route.ts';

export const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A phone's description: its port tells whose it is. */
export function sdp(who: 'a' | 'b' | 'c', direction = 'sendrecv'): string {
  const port = { a: 1000, b: 2000, c: 3000 }[who];
  const lines = ['v=0', `o=- 1 1 IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'];
  return `${[...lines, `m=audio ${port} RTP/AVP 0`, `a=${direction}`].join('\r\n')}\r\n`;
}

/** A place at a media server: what passes it shows by whom it was described. */
export function fakePlace(index: number): CallMedia & { asked: string[] } {
  const asked: string[] = [];
  const shown = (from: string, text: Buffer) =>
    Buffer.from(`${text}`.replace('s=-', `s=m${index}[${from}] `));
  return {
    asked,
    anchored: true,
    async offer(from, text) {
      asked.push(`offer ${from}`);
      return shown(from, text);
    },
    async answer(from, text, recording) {
      asked.push(`answer ${from}${recording === undefined ? '' : ' recorded'}`);
      return shown(from, text);
    },
    async startRecording({ parties }) {
      asked.push(`startRecording ${parties.find(({ label }) => label === 'b')?.number}`);
    },
    stopRecording: async () => void asked.push('stopRecording'),
    exists: async () => true,
    release: async () => void asked.push('release'),
  };
}

export class Places extends FakeUserAgent {
  readonly placed: OutgoingInviteOptions[] = [];
  /** By Call-ID. */
  readonly known = new Map<string, Dialog>();

  override invite(options: OutgoingInviteOptions) {
    this.placed.push(options);
    return super.invite(options);
  }

  override findDialog(callId?: string): Dialog | undefined {
    return this.known.get(callId ?? '');
  }
}

const peer = { protocol: 'udp', address: '127.0.0.1', port: 5071 } as const;
const party = (number: string) => ({
  number,
  uri: `sip:${number}@127.0.0.1`,
  name: undefined,
  dn: number,
  trunk: undefined,
});

function planOf(from: string, to: string, record: boolean): CallPlan {
  const dn = { number: to, name: null, record, ha1: null, realm: null };
  return {
    sessionId: 'a'.repeat(32),
    from: party(from),
    to: party(to),
    route: { kind: 'dn', dn, uri: `sip:${to}@phone`, peer, flow: undefined },
    decision: { record, side: 'destination', dn: to, reason: 'told to' },
    maxForwards: 69,
  };
}

/** Where 7003 is; nobody else is anywhere. */
export function targetPlan(number: string): CallPlan | RefusedRoute {
  if (number !== '7003') return { kind: 'refused', status: 404, reason: undefined };
  return planOf('7001', number, false);
}

interface TalkingOptions {
  record?: boolean;
  from?: string;
  to?: string;
  /** A call at the same switch. */
  shared?: Talking;
  /** It is not answered. */
  isRinging?: boolean;
}

export interface Talking {
  call: Call;
  caller: FakeDialog;
  callee: FakeDialog;
  userAgent: Places;
  calls: Call[];
  events: EventBody[];
  media: ReturnType<typeof fakePlace>[];
  sdp: typeof sdp;
}

/** An answered call; the callee has put the caller on hold, as one does before a transfer. */
export async function talking(
  t: { teardown(run: () => void): void },
  options: TalkingOptions,
): Promise<Talking> {
  const { record = false, from = '7002', to = '7001', shared, isRinging = false } = options;
  const userAgent = shared?.userAgent ?? new Places();
  const calls: Call[] = shared?.calls ?? [];
  const invite = new FakeInvite(fakeRequest('INVITE', sdp('a')));
  const events: EventBody[] = [];
  const media: ReturnType<typeof fakePlace>[] = [];
  const context = fakeContext({
    userAgent,
    journal: (event) => void events.push(event),
    anchor: () => {
      const place = fakePlace(media.length);
      media.push(place);
      return place;
    },
    plan: async (_by, number) => targetPlan(number),
    callOf: (dialog) => {
      for (const one of calls) {
        const label = one.legOf(dialog);
        if (label !== undefined) return { call: one, label };
      }
      return undefined;
    },
  });
  const call = new Call({ invite, plan: planOf(from, to, record) }, context);
  calls.push(call);
  t.teardown(() => call.release('switch', 503, 'test over'));
  await call.begin();
  const callee = new FakeDialog();
  if (isRinging) userAgent.placed.at(-1)?.onProvisional?.(fakeResponse(180));
  else userAgent.placed.at(-1)?.onAccepted(fakeResponse(200, sdp('b')), callee, () => {});
  await settle();
  const caller = invite.dialog;
  caller.answerTo = (method) => fakeResponse(200, method === 'INVITE' ? sdp('a') : '');
  callee.answerTo = (method) =>
    fakeResponse(200, method === 'INVITE' ? sdp(shared === undefined ? 'b' : 'c') : '');
  if (shared !== undefined) userAgent.known.set('second', isRinging ? (invite.early() ?? caller) : caller);
  return { call, caller, callee, userAgent, calls, events, media, sdp };
}
