// grec-sipd is killed in the middle of calls and started again: they can be held, recorded and hung up, and recordings stay whole.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { type Installation, install, readChannels } from './installation.ts';
import { noise } from './noise.ts';
import { Outages } from './outages.ts';
import { connect, newPhone } from './phones.ts';

interface ShownCall {
  from: string;
  state: string;
  recordingState: string;
  anchored: boolean;
  recording: string | null;
}

const calls = async ({ ask }: Installation) =>
  (await ask<{ calls: ShownCall[] }>('grec-sipd', 'GET', '/calls')).calls;

/** A call is kept within a moment of its answer: this one may be killed now. */
async function kept(installation: Installation, count: number): Promise<void> {
  const { default: Database } = await import('better-sqlite3');
  await installation.until(`${count} calls are kept`, async () => {
    const db = new Database(installation.config.paths.callsDb, { readonly: true });
    try {
      const row = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM call').get();
      return row?.count === count ? true : undefined;
    } finally {
      db.close();
    }
  });
}

async function scene(t: Test): Promise<{ installation: Installation; outages: Outages }> {
  const installation = await install({ mediaPorts: 40 });
  const outages = new Outages(installation);
  t.teardown(async () => {
    await outages.end();
    await installation.stop();
  });
  return { installation, outages };
}

t.test('a recorded call and one that is not', { timeout: 90_000 }, async (t) => {
  const { installation, outages } = await scene(t);
  const [one, agent, other, fourth] = [
    await newPhone(t, installation, { number: '7002' }),
    await newPhone(t, installation, { number: '7001', record: true }),
    await newPhone(t, installation, { number: '7003' }),
    await newPhone(t, installation, { number: '7004' }),
  ];
  const [out, into] = await connect(one, agent);
  const [plainOut, plainInto] = await connect(other, fourth);
  const said = { a: noise('caller', 7), b: noise('agent', 7) };
  const spoken = Promise.all([out.speak(said.a), into.speak(said.b)]);
  await out.media.receiver.until(50);
  await kept(installation, 2);
  await outages.kill('grec-sipd');
  await out.media.receiver.until(100);
  await outages.start('grec-sipd');
  t.match(await calls(installation), [
    { from: '7002', state: 'answered', recordingState: 'recording', anchored: true },
    { from: '7003', state: 'answered', recordingState: 'off', anchored: false },
  ]);
  await spoken;
  t.equal(await into.hold(), 200);
  t.equal(await into.retrieve(), 200);
  t.equal(await out.hold(), 200);
  t.equal(await out.retrieve(), 200);
  t.equal(await plainOut.hold(), 200);
  t.equal(await plainOut.retrieve(), 200);
  const { recording } = await installation.ask<ShownCall>('grec-sipd', 'POST', '/calls/7004/recording', {
    operation: 'start',
  });
  t.equal(plainInto.reinvites, 3);
  const audio = noise('later');
  await plainInto.speak(audio);
  await Promise.all([out.hangup(), plainOut.hangup()]);
  t.same(await Promise.all([into.ended, plainInto.ended]), [{ by: 'remote' }, { by: 'remote' }]);
  const rows = await installation.recordings(2);
  const full = rows.find(({ id }) => id !== recording);
  t.match(full, { state: 'complete' });
  const [left, right] = readChannels(join(installation.config.paths.archive, full?.path ?? '', 'audio.wav'));
  t.match(findAudio(left, toLinear(said.b)), { exact: true }, 'not a sample of the agent is missing');
  t.match(findAudio(right, toLinear(said.a)), { exact: true }, 'nor of the caller');
  const later = rows.find(({ id }) => id === recording);
  const [heard] = readChannels(join(installation.config.paths.archive, later?.path ?? '', 'audio.wav'));
  t.match(findAudio(heard, toLinear(audio)), { exact: true }, 'and what was asked for later is recorded too');
  t.match(await installation.ask('grec-mediad', 'GET', '/status'), { calls: 0 });
});

t.test(
  'a party that hung up meanwhile: the other one is hung up, and the recording is finished',
  { timeout: 90_000 },
  async (t) => {
    const { installation, outages } = await scene(t);
    const [caller, agent] = [
      await newPhone(t, installation, { number: '7002' }),
      await newPhone(t, installation, { number: '7001', record: true }),
    ];
    const [out, into] = await connect(caller, agent);
    await out.speak(noise('before'));
    await kept(installation, 1);
    await outages.kill('grec-sipd');
    // Nobody answers its BYE, which it sends again and again.
    const leaving = out.hangup();
    await outages.start('grec-sipd');
    t.same(await into.ended, { by: 'remote' });
    await leaving;
    t.match(await installation.recordings(1), [{ state: 'complete' }]);
  },
);

t.test(
  'rule 7: switch and media server both killed: the call goes on, and so does the recording',
  { timeout: 90_000 },
  async (t) => {
    const { installation, outages } = await scene(t);
    const [caller, agent] = [
      await newPhone(t, installation, { number: '7002' }),
      await newPhone(t, installation, { number: '7001', record: true }),
    ];
    const [out, into] = await connect(caller, agent);
    const spoken = Promise.all([out.speak(noise('a', 12)), into.speak(noise('b', 12))]);
    await out.media.receiver.until(50);
    await kept(installation, 1);
    await Promise.all([outages.kill('grec-sipd'), outages.kill('grec-mediad')]);
    await outages.start('grec-mediad');
    await outages.start('grec-sipd');
    await installation.until('it is recorded again', async () => {
      const [call] = await calls(installation);
      return call?.recordingState === 'recording' && out.reinvites > 0 ? true : undefined;
    });
    await Promise.all(
      [out, into].map(({ media: { receiver } }) => receiver.until(receiver.count().received + 50)),
    );
    await out.hangup();
    await spoken.catch(() => undefined);
    t.match(await installation.recordings(1), [
      { state: 'partial', reason: /media server ended without warning/ },
    ]);
    t.match(await installation.ask('grec-mediad', 'GET', '/status'), { calls: 0, media: { portsUsed: 0 } });
  },
);
