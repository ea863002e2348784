// The media server dies in the middle of calls: no call drops, the parties hear each other again, recordings go on.
import { join } from 'node:path';
import t from 'tap';
import { toLinear } from '../../src/testing/dialogue.ts';
import { readChannels } from './installation.ts';
import { bothHear, callState as call, recordedCall } from './spoken-call.ts';

const PACKET = 160;
t.test(
  'without it the parties hear each other directly; when it is back the recording goes on',
  { timeout: 90_000 },
  async (t) => {
    const scene = await recordedCall(t);
    const { installation, outages, out, into, said, spoken } = scene;
    await outages.kill('grec-mediad');
    await installation.until('the media is direct', async () => {
      const { anchored, recordingState } = await call(installation);
      return !anchored && recordingState === 'interrupted' ? true : undefined;
    });
    await bothHear(scene);
    await outages.start('grec-mediad');
    await installation.until('it is recorded again', async () => {
      const { anchored, recordingState } = await call(installation);
      return anchored && recordingState === 'recording' ? true : undefined;
    });
    await bothHear(scene);
    await Promise.all(
      [out, into].map(({ media: { receiver } }) => receiver.until(receiver.count().received + 50)),
    );
    await out.hangup();
    await spoken.catch(() => undefined);
    const [row] = await installation.recordings(1);
    t.match(row, { state: 'partial', reason: /media server ended without warning/ });
    const [left, right] = readChannels(join(installation.config.paths.archive, row?.path ?? '', 'audio.wav'));
    t.ok(piecesOf(left, said.b) >= 2, 'the agent, before and after');
    t.ok(piecesOf(right, said.a) >= 2, 'the caller, before and after');
    t.ok(out.reinvites === 2 && into.reinvites === 2);
  },
);

t.test('started again at once, it takes its calls back', { timeout: 90_000 }, async (t) => {
  const scene = await recordedCall(t);
  const { installation, outages, out, spoken } = scene;
  await outages.kill('grec-mediad');
  await outages.start('grec-mediad');
  await installation.until('it is recorded again', async () => {
    const { recordingState } = await call(installation);
    const { counters } = await installation.ask<{ counters: { mediaServersLost?: number } }>(
      'grec-sipd',
      'GET',
      '/status',
    );
    return counters.mediaServersLost === 1 && recordingState === 'recording' ? true : undefined;
  });
  await bothHear(scene);
  await out.hangup();
  await spoken.catch(() => undefined);
  t.match(await installation.recordings(1), [{ state: 'partial' }]);
  t.match(await installation.ask('grec-mediad', 'GET', '/status'), { calls: 0, media: { portsUsed: 0 } });
});

/** How many stretches of what was said stand in the channel, each true to time in itself, with silence between them. */
function piecesOf(channel: Int16Array, said: Uint8Array): number {
  const linear = toLinear(said);
  const places = new Map<string, number>();
  for (let at = 0; at + PACKET <= linear.length; at += PACKET)
    places.set(String(linear.subarray(at, at + 8)), at / PACKET);
  let pieces = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (let at = 0; at + 8 <= channel.length; at += 1) {
    const index = places.get(String(channel.subarray(at, at + 8)));
    if (index === undefined) continue;
    if (index - last > 5) pieces += 1;
    last = index;
  }
  return pieces;
}
