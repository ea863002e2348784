// A recorded call in which both parties speak all the time, so that every gap in it is heard.
import type { Test } from 'tap';
import type { PhoneCall } from '../../src/testing/phone.ts';
import { type Installation, install } from './installation.ts';
import { noise } from './noise.ts';
import { Outages } from './outages.ts';
import { connect, newPhone } from './phones.ts';

export interface Scene {
  installation: Installation;
  outages: Outages;
  out: PhoneCall;
  into: PhoneCall;
  /** What the caller says all the time, and the agent. */
  said: { a: Buffer; b: Buffer };
  spoken: Promise<unknown>;
}

/** Longer than any test: on a busy machine a media server takes its time to come back. */
const SPOKEN_S = 90;

/** A recorded call in which both speak until it ends. */
export async function recordedCall(t: Test): Promise<Scene> {
  const installation = await install({ mediaPorts: 40 });
  const outages = new Outages(installation);
  t.teardown(async () => {
    await outages.end();
    await installation.stop();
  });
  const caller = await newPhone(t, installation, { number: '7002' });
  const agent = await newPhone(t, installation, { number: '7001', record: true });
  const [out, into] = await connect(caller, agent);
  const said = { a: noise('caller', SPOKEN_S), b: noise('agent', SPOKEN_S) };
  const spoken = Promise.all([out.speak(said.a), into.speak(said.b)]);
  await out.media.receiver.until(60);
  return { installation, outages, out, into, said, spoken };
}

/** What the switch says of the call of 7001. */
export const callState = ({ ask }: Installation) =>
  ask<{ state: string; anchored: boolean; recordingState: string }>('grec-sipd', 'GET', '/calls/7001');

/** Both hear the other again. */
export async function bothHear({ out, into }: Scene): Promise<void> {
  await Promise.all(
    [out, into].map(({ media: { receiver } }) => receiver.until(receiver.count().received + 25)),
  );
}
