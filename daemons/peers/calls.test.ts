// What happens to calls, end to end: holds, codecs, refusals, glare, parties that vanish; and nothing of them stays behind.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { silentLogger } from '../../src/log.ts';
import { ALAW_TO_LINEAR } from '../../src/rtp/g711.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { createPhone, type Phone, type PhoneBehaviour } from '../../src/testing/phone.ts';
import { install, readChannels } from './installation.ts';
import { audioIn, openParty } from './party.ts';

const PACKET = 160;
const seconds = (count: number, seed: string) => {
  const bytes = Buffer.alloc(count * 8000);
  for (let at = 0; at < bytes.length; at += 32)
    createHash('sha256').update(`${seed}${at}`).digest().copy(bytes, at);
  return bytes;
};

const installation = await install({ sip: 'ring-timeout = 5' });
t.teardown(() => installation.stop());
t.jobs = 6;

let numbers = 7100;

/** Two phones; the second one's DN is recorded. */
async function phones(
  t: { teardown(step: () => unknown): void },
  behaviour: PhoneBehaviour = {},
  encodings?: string[],
): Promise<[Phone, Phone]> {
  const make = async (record: boolean): Promise<Phone> => {
    const number = `${numbers++}`;
    await installation.addDn(number, `secret-${number}`, { record });
    const phone = await createPhone({
      number,
      password: `secret-${number}`,
      registrar: { ...installation.sip, protocol: 'udp' },
      listenHost: '127.0.0.1',
      log: silentLogger(),
      ...(record ? { behaviour } : {}),
      ...(encodings === undefined ? {} : { encodings }),
    });
    t.teardown(() => phone.close());
    await phone.register();
    return phone;
  };
  return [await make(false), await make(true)];
}

/** @param but the one that is known already */
function recordingOf(dn: string, but?: string): Promise<RecordingRow> {
  return installation.until(`${dn} is recorded`, async () =>
    (await installation.recordings(0)).find((row) => row.id !== but && (row.dn === dn || row.callee === dn)),
  );
}

function channelsOf({ path }: RecordingRow): [Int16Array, Int16Array] {
  if (path === null) throw new Error('nothing is archived');
  return readChannels(join(installation.config.paths.archive, path, 'audio.wav'));
}

/** The call of that DN is over for the switch. */
async function gone(number: string): Promise<void> {
  await installation.until(`the call of ${number} is gone`, async () => {
    const { calls } = await installation.ask<{ calls: { from: string; to: string }[] }>(
      'grec-sipd',
      'GET',
      '/calls',
    );
    return calls.some(({ from, to }) => from === number || to === number) ? undefined : true;
  });
}

/** What is logged of the calls to a DN, all of which are over. */
async function logOf(dn: string, calls: number): Promise<string> {
  const { log } = installation;
  return installation.until(`${calls} calls to ${dn} are told to the end`, async () => {
    const created = log.filter((line) => line.includes('call created') && line.includes(`"to":"${dn}"`));
    const ids = created.map((line) => /"call":"([^"]+)"/.exec(line)?.[1] ?? 'none');
    const lines = log.filter((line) => ids.some((id) => line.includes(id)));
    const released = lines.filter((line) => line.includes('call released'));
    return released.length === calls ? lines.join('\n') : undefined;
  });
}

t.test(
  'rule 3, report 4: hold and retrieve: silence of the true length, and not a sample else',
  async (t) => {
    const [caller, callee] = await phones(t);
    const out = await caller.call(callee.number);
    const into = await callee.nextCall();
    await Promise.all([out.outcome, into.outcome]);
    const [a, b] = [seconds(4, 'hold a'), seconds(4, 'hold b')];
    const spoken = Promise.all([out.speak(a), into.speak(b)]);
    await into.media.receiver.until(50);
    const [holding, held] = await timed(async () => t.equal(await out.hold(), 200));
    await into.media.receiver.until(100);
    const [retrieving, retrieved] = await timed(async () => t.equal(await out.retrieve(), 200));
    await spoken;
    await out.hangup();
    await gone(callee.number);
    const row = await recordingOf(callee.number);
    t.equal(row.state, 'complete');
    const [agent, customer] = channelsOf(row);
    t.match(findAudio(customer, toLinear(a)), { exact: true }, 'who holds may speak on (music)');
    const found = findAudio(agent, toLinear(b));
    const offset = found.offset ?? 0;
    const wanted = toLinear(b);
    const silent: number[] = [];
    for (let at = 0; at < wanted.length; at += PACKET) {
      const block = agent.subarray(offset + at, offset + at + PACKET);
      if (block.every((sample) => sample === 0)) silent.push(at / PACKET);
      else if (!wanted.subarray(at, at + PACKET).every((sample, index) => sample === block[index]))
        t.fail(`packet ${at / PACKET} is neither what was sent nor silence`);
    }
    const first = silent[0] ?? 0;
    t.same(
      silent,
      silent.map((_, index) => first + index),
      'one silence',
    );
    // The switch takes it up somewhere between the request and its answer; a packet is 20 ms, and the phone's clock ticks in them.
    const [least, most] = [retrieving - held - 2 * 20, retrieved - holding + 2 * 20];
    const silence = silent.length * 20;
    t.ok(silence >= least && silence <= most, `${silence} ms of silence, held for ${least} to ${most} ms`);
  },
);

/** When it began and when it had ended, in milliseconds. */
async function timed(step: () => Promise<unknown>): Promise<[number, number]> {
  const begun = performance.now();
  await step();
  return [begun, performance.now()];
}

t.test('PCMU becomes PCMA by re-INVITE in mid-call', async (t) => {
  const caller = await openParty(installation, `${numbers++}`);
  const number = `${numbers++}`;
  const callee = await openParty(installation, number, { record: true });
  t.teardown(() => Promise.all([caller.close(), callee.close()]));
  const placed = caller.call(number);
  const invite = await callee.nextInvite();
  const far = invite.accept({ body: callee.sdp() });
  const { response, dialog } = await placed;
  const play = (payloadType: number, audio: Buffer) => {
    caller.media.aim({
      address: '127.0.0.1',
      rtpPort: audioIn(response).port,
      payloadType,
      mayReceive: true,
    });
    return caller.media.play(audio);
  };
  const one = seconds(1, 'codec one');
  await play(0, one);
  const alaw = ['c=IN IP4 127.0.0.1', `m=audio ${callee.media.rtpPort} RTP/AVP 8`];
  far.onReinvite = (request) => request.respond(200, { body: callee.sdp(alaw) });
  const offer = ['c=IN IP4 127.0.0.1', `m=audio ${caller.media.rtpPort} RTP/AVP 8`];
  const again = await dialog?.reinvite({ body: caller.sdp(offer) });
  again?.ack();
  t.equal(again?.response.status, 200);
  const two = seconds(1, 'codec two');
  await play(8, two);
  await callee.media.receiver.until(100);
  await dialog?.bye();
  await gone(number);
  const row = await recordingOf(number);
  t.equal(row.state, 'complete', row.reason ?? '');
  const [, customer] = channelsOf(row);
  const second = Int16Array.from(two, (byte) => ALAW_TO_LINEAR[byte] ?? 0);
  const starts = [findAudio(customer, toLinear(one)).offset, findAudio(customer, second).offset];
  for (const [index, wanted] of [toLinear(one), second].entries()) {
    const at = starts[index] ?? -1;
    t.ok(at >= 0 && wanted.every((sample, n) => customer[at + n] === sample), `part ${index + 1} is exact`);
  }
});

t.test(
  'report 10: without offer in the INVITE; a hold afterwards; early media; both from the same parties',
  async (t) => {
    const caller = await openParty(installation, `${numbers++}`);
    const number = `${numbers++}`;
    const callee = await openParty(installation, number, { record: true });
    t.teardown(() => Promise.all([caller.close(), callee.close()]));
    const placed = caller.call(number, null);
    const invite = await callee.nextInvite();
    t.equal(invite.message.body.length, 0, 'no offer, no offer of ours');
    const far = invite.accept({ body: callee.sdp() });
    const { response, dialog } = await placed;
    far.onReinvite = (request) => request.respond(200, { body: callee.sdp() });
    const held = ['c=IN IP4 127.0.0.1', `m=audio ${caller.media.rtpPort} RTP/AVP 0`, 'a=sendonly'];
    const hold = await dialog?.reinvite({ body: caller.sdp(held) });
    hold?.ack();
    t.equal(hold?.response.status, 200);
    const audio = seconds(1, 'late offer');
    caller.media.aim({
      address: '127.0.0.1',
      rtpPort: audioIn(response).port,
      payloadType: 0,
      mayReceive: true,
    });
    await caller.media.play(audio);
    t.equal((await dialog?.request('OPTIONS'))?.status, 200, 'the ACK of the re-INVITE did not end the call');
    await dialog?.bye();
    await gone(number);
    const row = await recordingOf(number);
    t.match(findAudio(channelsOf(row)[1], toLinear(audio)), { exact: true });

    const again = caller.call(number);
    const early = await callee.nextInvite();
    early.respond(183, { body: callee.sdp() });
    const { port } = audioIn(early.message);
    callee.media.aim({ address: '127.0.0.1', rtpPort: port, payloadType: 0, mayReceive: true });
    await callee.media.play(seconds(1, 'ringback').subarray(0, 4000));
    await caller.media.receiver.until(20);
    t.pass('early media is heard');
    early.accept({ body: callee.sdp() });
    const answered = await again;
    const spoken = seconds(1, 'after the answer');
    callee.media.aim({ address: '127.0.0.1', rtpPort: port, payloadType: 0, mayReceive: true });
    await callee.media.play(spoken);
    await answered.dialog?.bye();
    await gone(number);
    const [left] = channelsOf(await recordingOf(number, row.id));
    t.match(findAudio(left, toLinear(spoken)), { exact: true }, 'the ringback is in no recording');
  },
);

t.test('glare: both re-INVITE at once, and the call stands', async (t) => {
  const [caller, callee] = await phones(t);
  const out = await caller.call(callee.number);
  const into = await callee.nextCall();
  await Promise.all([out.outcome, into.outcome]);
  const [one, other] = await Promise.all([out.hold(), into.hold()]);
  t.ok([one, other].includes(491), `${one} and ${other}`);
  // Whose hold has won takes it back.
  t.equal(await (other === 200 ? into : out).retrieve(), 200);
  const audio = seconds(1, 'glare');
  await out.speak(audio);
  await Promise.all([out.hangup(), into.hangup()]);
  await gone(callee.number);
  const row = await recordingOf(callee.number);
  t.match(findAudio(channelsOf(row)[1], toLinear(audio)), { exact: true });
});

t.test('busy, cancelled, never answered: the caller is told, no recording is missing', async (t) => {
  const [caller, busy] = await phones(t, { refuseWith: 486 });
  t.match(await (await caller.call(busy.number)).outcome, { answered: false, status: 486 });
  const [hasty, slow] = await phones(t, { ringMs: 60_000 });
  const given = await hasty.call(slow.number);
  const ringing = await slow.nextCall();
  await given.ringing;
  await given.hangup();
  t.match(await given.outcome, { answered: false, status: 487 });
  t.match(await ringing.outcome, { answered: false, status: 487 });
  t.match(await (await hasty.call(slow.number)).outcome, { answered: false, status: 480 }, 'ring-timeout');
  await Promise.all([busy, slow].map(({ number }) => gone(number)));
  t.notMatch(await logOf(busy.number, 1), /recording failed/);
  t.notMatch(await logOf(slow.number, 2), /recording failed/);
});

for (const [what, lines, reason] of [
  [
    'SRTP alone',
    (port: number) => [
      'c=IN IP4 127.0.0.1',
      `m=audio ${port} RTP/SAVP 0`,
      'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x',
    ],
    /SAVP/,
  ],
  ['a host name in c=', (port: number) => ['c=IN IP4 localhost', `m=audio ${port} RTP/AVP 0`], /not numeric/],
] as const) {
  t.test(`rule 1: ${what} cannot be recorded: the call goes on direct, and the loss is told`, async (t) => {
    const caller = await openParty(installation, `${numbers++}`);
    const number = `${numbers++}`;
    const callee = await openParty(installation, number, { record: true });
    t.teardown(() => Promise.all([caller.close(), callee.close()]));
    const offer = lines(caller.media.rtpPort);
    const placed = caller.call(number, [...offer]);
    const invite = await callee.nextInvite();
    t.match(invite.message.body.toString(), offer.at(-1), 'the offer as the caller made it');
    invite.accept({ body: callee.sdp([...lines(callee.media.rtpPort)]) });
    const { response, dialog } = await placed;
    t.equal(response.status, 200);
    t.equal(audioIn(response).port, callee.media.rtpPort);
    await dialog?.bye();
    await gone(number);
    const row = await recordingOf(number);
    t.equal(row.state, 'failed');
    t.match(row.reason, reason);
  });
}

t.test('Speex alone: the call goes through the media server, and what cannot be heard is told', async (t) => {
  const caller = await openParty(installation, `${numbers++}`);
  const number = `${numbers++}`;
  const callee = await openParty(installation, number, { record: true });
  t.teardown(() => Promise.all([caller.close(), callee.close()]));
  const speex = (port: number) => [
    'c=IN IP4 127.0.0.1',
    `m=audio ${port} RTP/AVP 97`,
    'a=rtpmap:97 speex/8000',
  ];
  const placed = caller.call(number, speex(caller.media.rtpPort));
  const invite = await callee.nextInvite();
  t.match(audioIn(invite.message), { formats: '97' });
  invite.accept({ body: callee.sdp(speex(callee.media.rtpPort)) });
  const { response, dialog } = await placed;
  caller.media.aim({
    address: '127.0.0.1',
    rtpPort: audioIn(response).port,
    payloadType: 97,
    mayReceive: true,
  });
  await caller.media.play(seconds(1, 'speex'));
  t.ok(callee.media.receiver.count().received > 0, 'it is relayed');
  await dialog?.bye();
  await gone(number);
  const row = await recordingOf(number);
  t.not(row.state, 'complete');
  t.match(row.reason, /codec|payload|speex|format|decod/i);
});

t.test(
  'a caller whose TCP connection is reset: the callee can hang up, and the recording holds what was said',
  async (t) => {
    const caller = await openParty(installation, `${numbers++}`, { protocol: 'tcp' });
    const number = `${numbers++}`;
    const callee = await openParty(installation, number, { record: true });
    t.teardown(() => callee.close());
    const placed = caller.call(number);
    const far = (await callee.nextInvite()).accept({ body: callee.sdp() });
    const { response } = await placed;
    const audio = seconds(1, 'reset');
    caller.media.aim({
      address: '127.0.0.1',
      rtpPort: audioIn(response).port,
      payloadType: 0,
      mayReceive: true,
    });
    await caller.media.play(audio);
    await caller.close();
    await far.bye();
    await gone(number);
    const row = await recordingOf(number);
    t.match(findAudio(channelsOf(row)[1], toLinear(audio)), { exact: true });
  },
);

t.test('nothing is left of all that', async (t) => {
  await installation.until('every port is free', async () => {
    const { media, calls } = await installation.ask<{ media: { portsUsed: number }; calls: number }>(
      'grec-mediad',
      'GET',
      '/status',
    );
    return media.portsUsed === 0 && calls === 0 ? true : undefined;
  });
  const { calls } = await installation.ask<{ calls: unknown[] }>('grec-sipd', 'GET', '/calls');
  t.same(calls, []);
});
