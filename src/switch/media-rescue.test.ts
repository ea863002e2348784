// What becomes of calls whose media server is lost, and of recordings that wait for one.
import t from 'tap';
import { GrecError } from '../errors.ts';
import { fakeResponse } from '../testing/fake-user-agent.ts';
import type { Call } from './call.ts';
import { answered, settle } from './call-fixture.ts';
import { directMedia } from './call-media.ts';
import type { CallPlan } from './call-model.ts';
import { rescueCalls, resumeInterrupted } from './media-rescue.ts';
import { requestRecording } from './recording-requests.ts';

const sdp = (port: number) =>
  `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\n`;

async function talking(options: Parameters<typeof answered>[0] = {}) {
  const all = await answered({ offer: sdp(4000), answer: sdp(5000), ...options });
  all.invite.dialog.answerTo = () => fakeResponse(200, sdp(4000));
  all.userAgent.dialog.answerTo = () => fakeResponse(200, sdp(5000));
  t.teardown(() => all.call.release('switch', 503, 'test over'));
  return all;
}

const without = { isLost: () => true, isServed: () => false };
const withOne = { isLost: () => false, isServed: () => true };

t.test('a call that is always anchored comes back to a media server as soon as there is one', async (t) => {
  const planned = (plan: CallPlan) => ({ ...plan, decision: { ...plan.decision, isAnchored: true } });
  const { call, media } = await talking({ record: false, planned });
  t.equal(call.media, media);
  await rescueCalls([call], without, 'lost');
  t.equal(call.media, directMedia);
  await resumeInterrupted([call], withOne);
  t.equal(call.media, media);
});

t.test('a call that could not be moved when its media server was lost is tried again', async (t) => {
  const { call, invite, media } = await talking();
  await requestRecording(call, 'stop', { reason: 'test' });
  await requestRecording(call, 'start', { reason: 'test' });
  call.recording?.stop('test');
  invite.dialog.answerTo = () => fakeResponse(488);
  await rescueCalls([call], without, 'lost');
  t.equal(call.media, media, 'it stays where nothing is');
  invite.dialog.answerTo = () => fakeResponse(200, sdp(4000));
  let isLost = true;
  const again = { ...call.context.anchor(call.id, call.legs) };
  call.context.anchor = () => {
    isLost = false;
    return again;
  };
  await resumeInterrupted([call], { isLost: () => isLost, isServed: () => true });
  t.equal(call.media, again);
});

t.test(
  'a loss that left a call without a media server is made good when the server has been started again',
  async (t) => {
    const { call, events } = await talking();
    const { anchor } = call.context;
    let isThere = false;
    call.context.anchor = (id, legs) => {
      const place = anchor(id, legs);
      return isThere ? place : { ...place, offer: () => Promise.reject(new Error('nothing listens')) };
    };
    await rescueCalls(
      [call],
      { isLost: ({ media }) => media.anchored, isServed: () => true },
      'a worker died',
    );
    t.equal(call.media, directMedia);
    t.equal(call.recording?.state, 'interrupted');
    isThere = true;
    await rescueCalls([call], withOne, 'it was started again');
    t.ok(call.media.anchored);
    t.equal(call.recording?.state, 'recording');
    t.notOk(events.some(({ type }) => type === 'recording.failed'));
  },
);

t.test('a media server that lives and does not take the call yet is asked again', async (t) => {
  const { call, events } = await talking();
  const { anchor } = call.context;
  let refusals = 0;
  call.context.anchor = (id, legs) => {
    const place = anchor(id, legs);
    const offer = async () => {
      refusals += 1;
      throw new GrecError('NG_TIMEOUT', 'no reply within 3000 ms');
    };
    return refusals < 3 ? { ...place, offer } : place;
  };
  const context = { isLost: ({ media }: Call) => media.anchored && refusals < 3, isServed: () => true };
  const retries: { what: () => void; ms: number }[] = [];
  const later = (what: () => void, ms: number) => void retries.push({ what, ms });
  await rescueCalls([call], { ...context, later }, 'lost');
  t.equal(call.recording?.state, 'interrupted');
  for (let n = 0; n < retries.length; n += 1) {
    retries[n]?.what();
    await settle();
    await settle();
  }
  t.same(
    retries.map(({ ms }) => ms),
    [1000, 2000, 4000],
  );
  t.equal(call.recording?.state, 'recording');
  t.ok(call.media.anchored);
  t.equal(refusals, 3);
  t.notOk(events.some(({ type }) => type === 'recording.failed'));
});

t.test('a party that refuses to be moved is not asked again and again', async (t) => {
  const { call, invite } = await talking();
  let asked = 0;
  invite.dialog.answerTo = () => {
    asked += 1;
    return fakeResponse(488);
  };
  const later = () => t.fail('it is tried again');
  await rescueCalls([call], { ...without, isServed: () => true, later }, 'lost');
  t.ok(asked > 0);
});

t.test('a rescue that has failed does not undo another one that has not', async (t) => {
  const { call } = await talking();
  const { anchor, media: gone } = { anchor: call.context.anchor, media: call.media };
  let offers = 0;
  call.context.anchor = (id, legs) => {
    const place = { ...anchor(id, legs) };
    const { offer } = place;
    place.offer = (...of) => {
      offers += 1;
      return offers === 1 ? Promise.reject(new Error('nothing listens')) : offer.apply(place, of);
    };
    return place;
  };
  const context = { isLost: ({ media }: Call) => media === gone, isServed: () => true };
  // The loss is told while a retry is under way.
  await Promise.all([rescueCalls([call], context, 'lost'), resumeInterrupted([call], context)]);
  t.equal(offers, 2);
  t.ok(call.media.anchored);
  t.equal(call.recording?.state, 'recording');
});

t.test('a recording that has failed meanwhile is not written on', async (t) => {
  const { call, media, invite } = await talking();
  let fails = () => {};
  invite.dialog.answerTo = () => {
    fails();
    return fakeResponse(200, sdp(4000));
  };
  fails = () => call.recording?.fail('for another reason');
  media.asked.length = 0;
  await rescueCalls([call], { isLost: () => media.asked.length === 0, isServed: () => true }, 'lost');
  await settle();
  t.equal(call.recording?.state, 'failed');
  t.notOk(media.asked.includes('startRecording'));
});

t.test('a start that its media server lets down goes on at another one', async (t) => {
  const { call, invite, events } = await talking({ record: false });
  const { promise, resolve } = Promise.withResolvers<void>();
  invite.dialog.answerTo = () => promise.then(() => fakeResponse(488));
  const started = requestRecording(call, 'start', { reason: 'test' }).catch(() => undefined);
  await settle();
  await settle();
  t.ok(call.media.anchored, 'one party has moved');
  let isLost = true;
  const rescued = rescueCalls([call], { isLost: () => isLost, isServed: () => true }, 'lost');
  isLost = false;
  invite.dialog.answerTo = () => fakeResponse(200, sdp(4000));
  resolve();
  await Promise.all([started, rescued]);
  t.equal(call.recording?.state, 'recording');
  t.notOk(events.some(({ type }) => type === 'recording.failed'));
});

t.test('a party that comes while others wait to be moved is who is moved', async (t) => {
  const { call } = await talking();
  const places: unknown[] = [];
  const { anchor } = call.context;
  call.context.anchor = (id, legs) => {
    places.push(legs);
    return anchor(id, legs);
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  void call.exchange.run(() => promise);
  const rescued = rescueCalls([call], { isLost: () => true, isServed: () => true }, 'lost');
  call.legs = { ...call.legs };
  resolve();
  await rescued;
  t.equal(places.at(-1), call.legs);
});

t.test('a recording that begins while a call is about to be set direct keeps its media server', async (t) => {
  for (const isFirst of [true, false]) {
    const { call } = await talking();
    call.recording?.stop('test');
    const start = () => requestRecording(call, 'start', { reason: 'test' });
    const started = isFirst ? start() : undefined;
    call.onPartyReplaced(undefined);
    await (started ?? start());
    await settle();
    await settle();
    t.equal(call.recording?.state, 'recording');
    t.ok(call.media.anchored, isFirst ? 'asked for before' : 'asked for after');
  }
});
