// A switch that starts again: what it finds of its earlier life, whole or damaged, and what becomes of it.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import { silentLogger } from '../log.ts';
import { FakeUserAgent, fakeResponse } from '../testing/fake-user-agent.ts';
import { answered, fakeContext, fakeMedia, settle } from './call-fixture.ts';
import { directMedia } from './call-media.ts';
import { CallStore } from './call-store.ts';
import { DnStore } from './dn-store.ts';
import { OpenCalls } from './open-calls.ts';
import type { StoredCall } from './stored-call.ts';
import { takeUpCalls } from './take-up-calls.ts';

const sdp = (port: number) =>
  `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\n`;

async function storedCall(): Promise<StoredCall> {
  const { call, kept } = await answered({ offer: sdp(4000), answer: sdp(5000) });
  const stored = kept.get(call.id);
  call.release('switch', 503, 'test over');
  if (stored === undefined) throw new Error('the call was not kept');
  return JSON.parse(JSON.stringify(stored));
}

/** As the real one, it throws at what is no dialog. */
class StrictUserAgent extends FakeUserAgent {
  override restoreDialog(stored: StoredCall['dialogs']['a']) {
    if (stored === undefined) throw new TypeError('no dialog');
    return super.restoreDialog(stored);
  }
}

function nextLife(t: Test, directory: string) {
  const callStore = new CallStore({ file: join(directory, 'calls.db'), onTrouble: () => {} });
  const store = new DnStore(join(directory, 'switch.db'));
  const events: { type: string }[] = [];
  const userAgent = new StrictUserAgent();
  const openCalls = new OpenCalls(store);
  const media = fakeMedia();
  const forgotten: string[] = [];
  const journal = (event: { type: string }) => void events.push(event);
  const state = { isServed: true, isLost: false };
  const close = () => {
    callStore.close();
    store.close();
  };
  t.teardown(() => {
    for (const call of openCalls.all.values()) call.release('switch', 503, 'test over');
  });
  takeUpCalls({
    context: fakeContext({ userAgent, journal, anchor: () => media, restoreMedia: () => media }),
    openCalls,
    callStore,
    store,
    journal: { append: journal } as never,
    mediaServers: {
      disown: () => {
        state.isLost = true;
      },
      isLost: () => state.isLost,
      forget: (call: string) => void forgotten.push(call),
    } as never,
    rescue: { isLost: () => state.isLost, isServed: () => state.isServed },
    log: silentLogger(),
    count: () => {},
  });
  for (const [index, dialog] of userAgent.restored.entries())
    dialog.answerTo = () => fakeResponse(200, sdp(4000 + 1000 * index));
  return { callStore, store, openCalls, events, userAgent, media, forgotten, close };
}

function keep(directory: string, id: string, state: unknown): void {
  const callStore = new CallStore({ file: join(directory, 'calls.db'), onTrouble: () => {} });
  callStore.keep(id, () => state);
  callStore.close();
  const store = new DnStore(join(directory, 'switch.db'));
  store.noteOpenCall({ call: id, recording: 'r' });
  store.close();
}

t.test('a recording that waited for a media server when the switch ended goes on', async (t) => {
  const directory = t.testdir();
  const stored = await storedCall();
  const interruption = { reason: 'lost', wasPaused: false };
  if (stored.recording !== null) Object.assign(stored.recording, { state: 'interrupted', interruption });
  keep(directory, stored.id, { ...stored, anchor: null });
  const { openCalls, media, close } = nextLife(t, directory);
  const [call] = openCalls.all.values();
  for (let turn = 0; turn < 20; turn++) await settle();
  t.equal(call?.recording?.state, 'recording');
  t.equal(call?.media, media);
  t.ok(media.asked.includes('startRecording'));
  close();
});

t.test('a call that cannot be read is said to be over, once, and leaves nothing behind', async (t) => {
  const directory = t.testdir();
  const stored = await storedCall();
  keep(directory, stored.id, { ...stored, dialogs: { a: stored.dialogs.a } });
  const first = nextLife(t, directory);
  t.equal(first.openCalls.all.size, 0);
  t.same(
    first.events.filter(({ type }) => type === 'call.released').length,
    1,
    'its parties and its recording are told of',
  );
  t.same(
    first.userAgent.restored.map(({ sent }) => sent),
    [['BYE']],
    'no dialog is left that belongs to no call',
  );
  t.same(first.forgotten, [stored.id]);
  first.close();
  const second = nextLife(t, directory);
  t.same(second.events, []);
  second.close();
});

t.test('a call that no next life has heard of but from its own store is over all the same', async (t) => {
  const directory = t.testdir();
  const stored = await storedCall();
  keep(directory, stored.id, 'nonsense');
  const store = new DnStore(join(directory, 'switch.db'));
  store.forgetOpenCall(stored.id);
  store.close();
  const { events, close } = nextLife(t, directory);
  t.match(events, [{ type: 'call.released', call: stored.id }]);
  close();
});

t.test('a store with damage inside is begun anew', async (t) => {
  const directory = t.testdir();
  const file = join(directory, 'calls.db');
  keep(directory, 'one', { text: 'x'.repeat(50_000) });
  const db = new Database(file);
  db.exec('DROP TABLE call; CREATE TABLE call (other TEXT)');
  db.close();
  const store = new CallStore({ file, onTrouble: () => {} });
  t.same(store.all(), []);
  store.keep('two', () => 2);
  store.close();
});

t.test('a store that somebody holds is not thrown away', async (t) => {
  const directory = t.testdir();
  const file = join(directory, 'calls.db');
  keep(directory, 'one', 1);
  const holder = new Database(file);
  holder.pragma('locking_mode = EXCLUSIVE');
  holder.exec("BEGIN EXCLUSIVE; UPDATE call SET state = '2'; COMMIT");
  t.throws(() => new CallStore({ file, onTrouble: () => {} }), { code: 'STATE_UNUSABLE' });
  holder.close();
  const store = new CallStore({ file, onTrouble: () => {} });
  t.same(store.all(), [{ call: 'one', state: '2' }]);
  store.close();
});

t.test('rule 10: no secret of a DN is in the store', async (t) => {
  const { call, kept } = await answered({
    planned: (plan) =>
      plan.route.kind === 'dn'
        ? {
            ...plan,
            route: { ...plan.route, dn: { ...plan.route.dn, ha1: 'md5 of it', ha1Sha256: 'sha of it' } },
          }
        : plan,
  });
  const text = JSON.stringify(kept.get(call.id));
  t.notMatch(text, /md5 of it|sha of it/);
  t.equal(directMedia.anchored, false);
  call.release('switch', 503, 'test over');
});
