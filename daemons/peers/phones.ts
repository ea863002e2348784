// Test phones at an installation: registered ones with a DN of their own, their calls, and what the switch told of them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../src/log.ts';
import type { JournalEvent } from '../../src/spool/events.ts';
import { parseEvent } from '../../src/spool/journal-files.ts';
import { createPhone, type Phone, type PhoneBehaviour, type PhoneCall } from '../../src/testing/phone.ts';
import type { Installation } from './installation.ts';

/** A test, or whatever else ends what was begun for it. */
export interface Ends {
  teardown(step: () => unknown): void;
}

export interface NewPhoneOptions {
  /** One that no other phone of this process has, when left out. */
  number?: string;
  /** Its DN is recorded. */
  record?: boolean;
  behaviour?: PhoneBehaviour;
  /** Its own address; 127.0.0.1 when left out. */
  listenHost?: string;
}

let numbers = 7200;

/** Makes the DN, and registers a phone as it over UDP; it is closed when the test ends. */
export async function newPhone(
  t: Ends,
  installation: Installation,
  options: NewPhoneOptions = {},
): Promise<Phone> {
  const { number = `${numbers++}`, record = false, behaviour, listenHost = '127.0.0.1' } = options;
  const password = `secret-${number}`;
  await installation.addDn(number, password, { record });
  const phone = await createPhone({
    number,
    password,
    registrar: { ...installation.sip, protocol: 'udp' },
    listenHost,
    log: silentLogger(),
    ...(behaviour === undefined ? {} : { behaviour }),
  });
  t.teardown(() => phone.close());
  const { status } = await phone.register();
  if (status !== 200) throw new Error(`${number} could not register: ${status}`);
  return phone;
}

/** An answered call: what the caller has of it, and the callee. */
export async function connect(from: Phone, to: Phone): Promise<[PhoneCall, PhoneCall]> {
  const out = await from.call(to.number);
  const refused = out.outcome.then((outcome) => {
    if (!outcome.answered) throw new Error(`${to.number}: ${outcome.status} ${outcome.reason}`);
  });
  const coming = to.nextCall();
  await Promise.race([coming, refused]);
  const into = await coming;
  await Promise.all([refused, into.outcome]);
  return [out, into];
}

/** As soon as the phone has heard so many packets more. */
export function hear({ media: { receiver } }: PhoneCall, packets: number): Promise<void> {
  return receiver.until(receiver.count().received + packets);
}

/** Resolves when no call of this number is up. */
export async function gone(at: Installation, number: string): Promise<void> {
  await at.until(`the calls of ${number} are gone`, async () => {
    const { calls } = await at.ask<{ calls: { from: string; to: string }[] }>('grec-sipd', 'GET', '/calls');
    return calls.some(({ from, to }) => from === number || to === number) ? undefined : true;
  });
}

/** What the switch's journal says, in order. */
export function eventsOf({ config }: Installation): JournalEvent[] {
  const folder = join(config.paths.journal, 'grec-sipd');
  const lines = readdirSync(folder)
    .sort()
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'));
  return lines.flatMap((line) => {
    const parsed = parseEvent(line);
    // What is being written ends in the middle.
    return 'event' in parsed ? [parsed.event] : [];
  });
}
