// A call between two fake parties with a fake media server, for the tests of the switch.
import type { SrtpWord } from '../dn-settings.ts';
import { GrecError } from '../errors.ts';
import { silentLogger } from '../log.ts';
import type { EventBody } from '../spool/events.ts';
import { FakeInvite, FakeUserAgent, fakeRequest } from '../testing/fake-user-agent.ts';
import { Call, type CallPlan } from './call.ts';
import { type CallMedia, directMedia } from './call-media.ts';
import type { CallContext } from './call-model.ts';
import type { Dn } from './dn.ts';
import { type StoredCall, storeCall } from './stored-call.ts';

export type Step = 'offer' | 'answer' | 'startRecording' | 'stopRecording' | 'release';

/** A media server that marks what passes it, and fails where told. */
export function fakeMedia(failing: Step[] = []): CallMedia & { asked: string[] } {
  const asked: string[] = [];
  const ask = (step: Step) => {
    asked.push(step);
    if (failing.includes(step)) throw new GrecError('NG_TIMEOUT', `no ${step}`);
  };
  return {
    asked,
    anchored: true,
    async offer(_from, sdp) {
      ask('offer');
      return Buffer.from(`m(${sdp})`);
    },
    async answer(_from, sdp) {
      ask('answer');
      return Buffer.from(`m(${sdp})`);
    },
    async startRecording() {
      ask('startRecording');
    },
    exists: async () => true,
    async stopRecording() {
      ask('stopRecording');
    },
    async release() {
      ask('release');
    },
  };
}

/** What a call is given to work with, as far as a test does not care. */
export function fakeContext(
  given: Pick<CallContext, 'userAgent' | 'journal' | 'anchor'> & Partial<CallContext>,
): CallContext {
  return {
    log: silentLogger(),
    glareDelay: async () => {},
    anchorOf: () => undefined,
    restoreMedia: () => directMedia,
    keep: () => {},
    forget: () => {},
    featureCodes: new Map(),
    ringTimeoutMs: 60_000,
    probeMs: 60_000,
    onReleased: () => {},
    ...given,
  };
}

export function setUp({
  record = true,
  offer = 'offer',
  failing = [] as Step[],
  ringTimeoutMs = 60_000,
  probeMs = 60_000,
  /** What is said of SRTP with each party, by its number. */
  srtp = {} as Record<string, SrtpWord>,
  /** What is different about the call. */
  planned = (plan: CallPlan): CallPlan => plan,
} = {}) {
  const userAgent = new FakeUserAgent();
  const invite = new FakeInvite(fakeRequest('INVITE', offer));
  const events: EventBody[] = [];
  const kept = new Map<string, StoredCall | undefined>();
  const media = fakeMedia(failing);
  const dn: Dn = { number: '7001', name: null, record, ha1: null, realm: null };
  const peer = { protocol: 'udp', address: '127.0.0.1', port: 5071 } as const;
  const party = (number: string) => ({
    number,
    uri: `sip:${number}@127.0.0.1`,
    name: undefined,
    dn: number,
    trunk: undefined,
  });
  const plan = planned({
    sessionId: 'a'.repeat(32),
    from: party('7002'),
    to: party('7001'),
    route: { kind: 'dn', dn, uri: 'sip:7001@127.0.0.1:5071', peer, flow: undefined },
    decision: { record, side: 'destination', dn: '7001', reason: 'told to' },
    maxForwards: 69,
  });
  let whenReleased = () => {};
  const released = new Promise<void>((resolve) => {
    whenReleased = resolve;
  });
  const call = new Call(
    { invite, plan },
    {
      userAgent,
      log: silentLogger(),
      journal: (event) => void events.push(event),
      anchor: () => media,
      glareDelay: async () => {},
      anchorOf: (one) => (one === media ? { server: 'fake', name: 'call' } : undefined),
      restoreMedia: () => media,
      srtpOf: ({ number }) => srtp[number] ?? 'pass',
      keep: (one) => void kept.set(one.id, storeCall(one)),
      forget: (one) => void kept.delete(one.id),
      featureCodes: new Map([['*1', 'record']] as const),
      ringTimeoutMs,
      probeMs,
      onReleased: () => whenReleased(),
    },
  );
  const types = () => events.map(({ type }) => type);
  return { call, userAgent, invite, media, events, types, released, kept };
}

/** Lets every promise that can settle do so. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

export async function answered({
  answer = 'answer',
  ...options
}: Parameters<typeof setUp>[0] & { answer?: string } = {}) {
  const all = setUp(options);
  await all.call.begin();
  all.userAgent.accept(answer);
  await settle();
  return all;
}
