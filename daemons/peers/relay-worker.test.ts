// One relay worker of the media server dies in the middle of a call: the call moves to another one at once, its recording goes on.
import t from 'tap';
import { bothHear, callState as call, recordedCall } from './spoken-call.ts';

t.test('one relay worker ends: its call is anchored anew at once', { timeout: 90_000 }, async (t) => {
  const scene = await recordedCall(t);
  const { installation, out, spoken } = scene;
  const { workers } = await installation.ask<{ workers: { pid: number; calls: number }[] }>(
    'grec-mediad',
    'GET',
    '/status',
  );
  const holder = workers.find(({ calls }) => calls > 0);
  process.kill(holder?.pid ?? 0, 'SIGKILL');
  await installation.until('it is recorded again', async () => {
    const { log } = installation;
    const { anchored, recordingState } = await call(installation);
    const isTold = log.some((line) => line.includes('a relay worker is gone'));
    const { calls } = await installation.ask<{ calls: number }>('grec-mediad', 'GET', '/status');
    return isTold && anchored && recordingState === 'recording' && calls === 1 ? true : undefined;
  });
  await bothHear(scene);
  await out.hangup();
  await spoken.catch(() => undefined);
  t.match(await installation.recordings(1), [{ state: 'partial' }]);
  t.match(await installation.ask('grec-sipd', 'GET', '/status'), {
    counters: { mediaServersLost: undefined },
  });
});
