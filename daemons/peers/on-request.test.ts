// Recording on request with real daemons and phones: media moves within the call, nobody misses a word, pauses hold nothing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import * as v from 'valibot';
import { metadataSchema } from '../../src/archive/metadata.ts';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { followDaemon, socketOf } from '../../src/control.ts';
import type { Phone, PhoneCall } from '../../src/testing/phone.ts';
import { install, readChannels } from './installation.ts';
import { noise } from './noise.ts';
import { openParty } from './party.ts';
import { connect, hear, newPhone } from './phones.ts';
import { packetsIn } from './pieces.ts';

const installation = await install();
t.teardown(() => installation.stop());
t.jobs = 4;

/** Of parties that are driven by hand. */
let numbers = 7400;

/** Two phones in a call that nobody records. */
async function connected(t: Test): Promise<{ agent: Phone; out: PhoneCall; into: PhoneCall }> {
  const [caller, agent] = [await newPhone(t, installation), await newPhone(t, installation)];
  const [out, into] = await connect(caller, agent);
  return { agent, out, into };
}

interface Answer {
  changed: boolean;
  recording: string;
  recordingState: string;
  anchored: boolean;
}

const request = (dn: string, operation: string, reason = 'test') =>
  installation.ask<Answer>('grec-sipd', 'POST', `/calls/${dn}/recording`, { operation, reason, by: 'test' });

async function recording(id: string): Promise<RecordingRow> {
  return installation.until(`${id} is listed`, async () =>
    (await installation.recordings(0)).find((row) => row.id === id),
  );
}

const archived = ({ path }: RecordingRow, file: string) =>
  join(installation.config.paths.archive, path ?? 'missing', file);

t.test(
  'rule 6, report 9: start, pause, resume and stop in a call that goes on',
  { timeout: 60_000 },
  async (t) => {
    const { agent, out, into } = await connected(t);
    const [a, b] = [noise('caller', 9), noise('agent', 9)];
    const spoken = Promise.all([out.speak(a), into.speak(b)]);
    await hear(out, 20);
    const started = await request(agent.number, 'start', 'the customer agreed');
    t.match(started, { changed: true, recordingState: 'recording', anchored: true });
    await hear(into, 50);
    t.match(await request(agent.number, 'pause', 'card number'), { recordingState: 'paused' });
    await hear(into, 75);
    t.match(await request(agent.number, 'resume'), { recordingState: 'recording' });
    await hear(into, 50);
    const stopped = await request(agent.number, 'stop', 'enough');
    t.match(stopped, { recordingState: 'stopped', anchored: false, recording: started.recording });
    const row = await recording(started.recording);
    t.equal(row.state, 'complete');
    await spoken;
    await Promise.all([out, into].map(({ media }) => media.receiver.until(450)));
    for (const [who, call] of Object.entries({ out, into })) {
      t.match(
        call.media.receiver.count(),
        { received: 450, lost: 0, duplicates: 0 },
        `${who} heard every packet`,
      );
      t.equal(call.reinvites, 2, `${who} was moved there and back`);
    }
    await out.hangup();
    const [left, right] = readChannels(archived(row, 'audio.wav'));
    for (const [channel, sent] of [
      [left, b],
      [right, a],
    ] as const) {
      const { found, isTrueToTime } = packetsIn(channel, sent);
      t.ok(isTrueToTime, 'each sample where it belongs');
      const gaps = found.flatMap((index, at) => {
        const gap = index - (found[at - 1] ?? index);
        return gap > 1 ? [gap - 1] : [];
      });
      t.equal(gaps.length, 1, 'one gap');
      t.ok((gaps[0] ?? 0) >= 70, `a gap of ${gaps[0]} packets, as long as the pause`);
      t.ok(found.length >= 90, `${found.length} packets were recorded`);
      t.ok((found[0] ?? 0) >= 15, 'none before the start');
      t.ok((found.at(-1) ?? 0) < 400, 'none after the stop');
    }
    const metadata = v.parse(
      metadataSchema,
      JSON.parse(readFileSync(archived(row, 'metadata.json'), 'utf8')),
    );
    t.match(
      metadata.events?.filter(({ event }) => /paused|resumed|stopped/.test(event)),
      [
        { event: 'recording.paused', by: 'test', reason: 'card number' },
        { event: 'recording.resumed' },
        { event: 'recording.stopped', by: 'test', reason: 'enough' },
      ],
    );
    t.match(metadata.decision?.reason, /asked for by test: the customer agreed/);
    t.equal(metadata.recordDn, agent.number);
  },
);

t.test('a party that refuses to be moved: the call goes on, the recording is told as failed', async (t) => {
  const caller = await openParty(installation, `${numbers++}`);
  const number = `${numbers++}`;
  const callee = await openParty(installation, number);
  t.teardown(() => Promise.all([caller.close(), callee.close()]));
  const placed = caller.call(number);
  const far = (await callee.nextInvite()).accept({ body: callee.sdp() });
  far.onReinvite = (reinvite) => reinvite.respond(488);
  const { dialog } = await placed;
  await t.rejects(request(number, 'start'), {
    code: 'MEDIA_NOT_MOVED',
    message: /refused the re-INVITE: 488/,
  });
  const { calls } = await installation.ask<{ calls: object[] }>('grec-sipd', 'GET', `/calls?dn=${number}`);
  t.match(calls, [{ state: 'answered', anchored: false, recordingState: 'failed', operations: ['start'] }]);
  far.onReinvite = (reinvite) => reinvite.respond(200, { body: callee.sdp() });
  if (dialog !== undefined) dialog.onReinvite = (reinvite) => reinvite.respond(200, { body: caller.sdp() });
  const { recording: id } = await request(number, 'start');
  await dialog?.bye();
  t.match(await recording(id), { state: 'failed', reason: 'no media was captured' });
  const failed = (await installation.recordings(0)).find((row) => row.dn === number && row.id !== id);
  t.match(failed, { state: 'failed', reason: /refused the re-INVITE/ });
});

t.test('the record button and a feature code', { timeout: 60_000 }, async (t) => {
  const caller = await openParty(installation, `${numbers++}`);
  const number = `${numbers++}`;
  const callee = await openParty(installation, number);
  t.teardown(() => Promise.all([caller.close(), callee.close()]));
  const placed = caller.call(number);
  const far = (await callee.nextInvite()).accept({ body: callee.sdp() });
  const { dialog: near } = await placed;
  if (near === undefined) return t.fail('no call');
  for (const [dialog, party] of [
    [far, callee],
    [near, caller],
  ] as const)
    dialog.onReinvite = (reinvite) => reinvite.respond(200, { body: party.sdp() });
  const passed: string[] = [];
  near.onRequest = (info) => {
    passed.push(info.message.body.toString('latin1'));
    info.respond(200);
  };
  const state = (wanted: string) =>
    installation.until(`the recording is ${wanted}`, async () => {
      const call = await installation.ask<Answer>('grec-sipd', 'GET', `/calls/${number}`);
      return call.recordingState === wanted ? call : undefined;
    });
  const digit = (signal: string) =>
    far.request('INFO', {
      body: { type: 'application/dtmf-relay', bytes: `Signal=${signal}\r\nDuration=100\r\n` },
    });
  t.equal((await far.request('INFO', { headers: { record: 'on' } })).status, 200);
  t.match(await state('recording'), { anchored: true });
  await far.request('INFO', { headers: { record: 'off' } });
  await state('stopped');
  for (const signal of ['5', '*', '1', '7']) t.equal((await digit(signal)).status, 200);
  await state('recording');
  await installation.until('the digits are through', async () => (passed.length === 2 ? true : undefined));
  t.same(
    passed.map((body) => /Signal=(.)/.exec(body)?.[1]),
    ['5', '7'],
  );
  await near.bye();
});

/** A digit as telephone events: while it is pressed, and its end. */
function pressed(digit: string, timestamp: number): Buffer[] {
  return Array.from({ length: 6 }, (_, index) => {
    const bytes = Buffer.alloc(16);
    bytes.set([0x80, 101 | (index === 0 ? 0x80 : 0), 0, index]);
    bytes.writeUInt32BE(timestamp, 4);
    bytes.writeUInt32BE(7, 8);
    bytes.set(['0123456789*#'.indexOf(digit), index < 3 ? 10 : 0x8a, 3, 0x20], 12);
    return bytes;
  });
}

t.test(
  'a feature code as telephone events, which the other party does not hear',
  { timeout: 60_000 },
  async (t) => {
    const { agent, out, into } = await connected(t);
    await request(agent.number, 'start');
    const spoken = Promise.all([out.speak(noise('a', 6)), into.speak(noise('b', 6))]);
    await hear(out, 20);
    for (const [index, digit] of [...'5*17'].entries())
      for (const packet of pressed(digit, 1_000_000 + index * 800)) into.media.sendPacket(packet);
    await installation.until('the recording is stopped', async () => {
      const call = await installation.ask<Answer>('grec-sipd', 'GET', `/calls/${agent.number}`);
      return call.recordingState === 'stopped' ? true : undefined;
    });
    await hear(out, 20);
    const events = out.media.receiver.streams
      .flatMap(({ packets }) => packets)
      .filter(({ payloadType }) => payloadType === 101);
    t.same([...new Set(events.map(({ payload }) => payload[0]))], [5, 7]);
    t.equal(events.length, 12);
    await out.hangup();
    await spoken.catch(() => undefined);
  },
);

t.test('a desktop hears of its calls as they happen', { timeout: 60_000 }, async (t) => {
  const [caller, agent] = [await newPhone(t, installation), await newPhone(t, installation)];
  const types: string[] = [];
  const socket = socketOf(installation.config, 'grec-sipd');
  const heard = (async () => {
    for await (const event of followDaemon('grec-sipd', socket, `/events?dn=${agent.number}`)) {
      const { type } = event as { type: string };
      types.push(type);
      if (type === 'call.released') return;
    }
  })();
  // The stream stands before the call is placed, or its beginning would be missed.
  await installation.until('the stream stands', async () => {
    const { listeners } = await installation.ask<{ listeners: number }>('grec-sipd', 'GET', '/status');
    return listeners > 0 ? true : undefined;
  });
  const out = await caller.call(agent.number);
  await Promise.all([out.outcome, (await agent.nextCall()).outcome]);
  await request(agent.number, 'start');
  await out.hangup();
  await heard;
  t.same(
    types.filter((type) => type !== 'call.ringing'),
    [
      'call.created',
      'recording.decided',
      'call.answered',
      'recording.decided',
      'recording.started',
      'recording.stopped',
      'call.released',
    ],
  );
});
