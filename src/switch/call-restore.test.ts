// An answered call is kept as it changes, and another life of the switch goes on with it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { FakeIncoming, FakeUserAgent, fakeRequest } from '../testing/fake-user-agent.ts';
import { Call } from './call.ts';
import { answered, settle, setUp } from './call-fixture.ts';
import { CallStore } from './call-store.ts';
import { requestRecording } from './recording-requests.ts';
import type { StoredCall } from './stored-call.ts';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
const asked = { by: 'test', reason: 'test' };

/** The call as the next life finds it. */
function restored({ call, kept }: Awaited<ReturnType<typeof answered>>) {
  const stored: StoredCall = JSON.parse(JSON.stringify(kept.get(call.id)));
  const userAgent = new FakeUserAgent();
  const events: { type: string }[] = [];
  const again = Call.restore(stored, {
    ...call.context,
    userAgent,
    journal: (event) => void events.push(event),
  });
  const [a, b] = userAgent.restored;
  if (a === undefined || b === undefined) throw new Error('two dialogs are restored');
  return { again, a, b, events, types: () => events.map(({ type }) => type) };
}

t.test('a call that is not answered is not kept; one that is over neither', async (t) => {
  const { call, kept, invite, userAgent, released } = setUp();
  await call.begin();
  t.equal(kept.size, 0);
  userAgent.accept('answer');
  await settle();
  t.ok(kept.get(call.id));
  invite.dialog.end();
  await released;
  t.equal(kept.size, 0);
});

t.test('it goes on: parties are asked at once, hold is carried, the recording runs', async (t) => {
  const all = await answered({ offer: SDP, answer: SDP });
  const { again, a, b, types } = restored(all);
  t.match(again, {
    id: all.call.id,
    startedAt: all.call.startedAt,
    state: 'answered',
    media: { anchored: true },
  });
  t.equal(again.recording?.id, all.call.recording?.id);
  t.equal(again.recording?.state, 'recording');
  while (b.sent.length === 0) await settle();
  t.same([a.sent, b.sent], [['OPTIONS'], ['OPTIONS']]);
  const hold = new FakeIncoming(fakeRequest('INVITE', SDP.replace('m=', 'a=sendonly\r\nm=')));
  a.onReinvite?.(hold);
  await settle();
  t.match(b.sent.slice(1), [/^INVITE m\(/, 'ACK']);
  t.match(hold.sent, [/^200 /]);
  await requestRecording(again, 'pause', asked);
  a.end();
  await settle();
  t.same(types(), ['call.restored', 'call.held', 'recording.paused', 'recording.stopped', 'call.released']);
  t.equal(b.sent.at(-1), 'BYE');
});

t.test('what happened since the answer is kept too', async (t) => {
  const all = await answered({ record: false, offer: SDP, answer: SDP });
  const { call, kept } = all;
  t.equal(kept.get(call.id)?.anchor, null);
  const { version } = call.legs.b.origin.state;
  all.invite.dialog.answerTo = all.userAgent.dialog.answerTo = () => ({
    ...fakeResponseWith(SDP),
  });
  await requestRecording(call, 'start', asked);
  await requestRecording(call, 'pause', asked);
  const { again } = restored(all);
  t.match(again.recording, { id: call.recording?.id, state: 'paused' });
  t.ok(again.media.anchored);
  t.ok(again.legs.b.origin.state.version > version);
  t.equal(again.legs.b.described?.toString(), SDP);
});

function fakeResponseWith(sdp: string) {
  const { version: _, ...message } = fakeRequest('INVITE', sdp);
  return { ...message, version: '2.0' as const, status: 200, reason: 'OK' };
}

function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'grec-calls-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const open = (file: string) => new CallStore({ file, onTrouble: () => undefined });

t.test('the store: the newest of each call, none that is over', async (t) => {
  const file = join(directory(t), 'calls.db');
  const store = open(file);
  store.keep('one', () => ({ n: 1 }));
  store.keep('one', () => ({ n: 2 }));
  store.keep('two', () => ({ n: 3 }));
  store.keep('none', () => undefined);
  store.forget('two');
  store.close();
  const again = open(file);
  t.same(again.all(), [{ call: 'one', state: '{"n":2}' }]);
  again.forget('one');
  again.close();
  const last = open(file);
  t.same(last.all(), []);
  last.close();
});

t.test('a store that is none is begun anew', async (t) => {
  const file = join(directory(t), 'calls.db');
  writeFileSync(file, 'no database, whatever its name says'.repeat(100));
  const store = open(file);
  store.keep('one', () => 1);
  store.close();
  const again = open(file);
  t.equal(again.all().length, 1);
  again.close();
});

t.test('the store tells once that a call is kept: when it is in the database', async (t) => {
  const file = join(directory(t), 'calls.db');
  const told: string[] = [];
  const onKept = (call: string) => {
    told.push(call);
    const other = open(file);
    t.same(
      other.all().map(({ call }) => call),
      ['one', 'two'],
    );
    other.close();
  };
  const store = new CallStore({ file, onTrouble: () => undefined, onKept });
  store.keep('one', () => 1);
  store.keep('two', () => 1);
  store.keep('none', () => undefined);
  while (told.length < 2) await setTimeout(5);
  store.keep('one', () => 2);
  while (store.all()[0]?.state !== '2') await setTimeout(5);
  t.same(told, ['one', 'two']);
  store.close();
});
