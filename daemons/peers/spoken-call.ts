// A recorded call in which both parties speak all the time, so that every gap in it is heard.
import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { silentLogger } from '../../src/log.ts';
import { createPhone, type Phone, type PhoneCall } from '../../src/testing/phone.ts';
import { type Installation, install } from './installation.ts';
import { Outages } from './outages.ts';

const noise = (seconds: number, seed: string) => {
  const bytes = Buffer.alloc(seconds * 8000);
  for (let at = 0; at < bytes.length; at += 32)
    createHash('sha256').update(`${seed}${at}`).digest().copy(bytes, at);
  return bytes;
};

async function newPhone(t: Test, installation: Installation, number: string, record = false): Promise<Phone> {
  await installation.addDn(number, 'secret', { record });
  const registrar = { ...installation.sip, protocol: 'udp' } as const;
  const phone = await createPhone({
    number,
    password: 'secret',
    registrar,
    listenHost: '127.0.0.1',
    log: silentLogger(),
  });
  t.teardown(() => phone.close());
  await phone.register();
  return phone;
}

export interface Scene {
  installation: Installation;
  outages: Outages;
  out: PhoneCall;
  into: PhoneCall;
  /** What the caller says all the time, and the agent. */
  said: { a: Buffer; b: Buffer };
  spoken: Promise<unknown>;
}

/** A recorded call in which both speak. */
export async function recordedCall(t: Test, seconds: number): Promise<Scene> {
  const installation = await install({ mediaPorts: 40 });
  const outages = new Outages(installation);
  t.teardown(async () => {
    await outages.end();
    await installation.stop();
  });
  const caller = await newPhone(t, installation, '7002');
  const agent = await newPhone(t, installation, '7001', true);
  const out = await caller.call('7001');
  const into = await agent.nextCall();
  await Promise.all([out.outcome, into.outcome]);
  const said = { a: noise(seconds, 'caller'), b: noise(seconds, 'agent') };
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
