// The call of `grec demo`: two phones that register at the switch, and what they say to each other.
import { randomBytes } from 'node:crypto';
import { socketOf } from '../config.ts';
import { askDaemon } from '../control.ts';
import { GrecError } from '../errors.ts';
import { silentLogger } from '../log.ts';
import { DIALOGUE_MS, loadVoice, PHRASES, type Voice } from '../testing/dialogue.ts';
import { createPhone, type Phone, type PhoneCall } from '../testing/phone.ts';
import type { DemoRun } from './demo-run.ts';

export const AGENT = { number: '7001', name: 'Alice' };
export const CUSTOMER = { number: '7002', name: 'Bob' };

const RING_MS = 400;
const ANSWER_LIMIT_MS = 15_000;
const REGISTER_LIMIT_MS = 10_000;
/** How long the last packets may take from one phone to the other. */
const LAST_PACKETS_MS = 2_000;

export interface DemoPhones {
  agent: Phone;
  customer: Phone;
}

/** One side of the call, with what it says. */
export interface DemoSide {
  call: PhoneCall;
  voice: Voice;
}

export interface DemoCall {
  agent: DemoSide;
  customer: DemoSide;
}

/**
 * Creates the two DNs, the agent's with `record=true`, and registers a phone for each.
 * @param opened gets each phone as soon as it holds ports
 */
export async function registerPhones(run: DemoRun, opened: (phone: Phone) => void): Promise<DemoPhones> {
  const open = async (party: typeof AGENT, record: boolean): Promise<Phone> => {
    const password = randomBytes(12).toString('base64url');
    await addDn(run, party.number, { create: true, password, settings: { record, name: party.name } });
    const phone = await createPhone({
      number: party.number,
      password,
      registrar: registrarOf(run),
      listenHost: '127.0.0.1',
      log: silentLogger(),
      encodings: ['PCMU'],
      behaviour: { ringMs: RING_MS },
    });
    opened(phone);
    await register(run, phone);
    return phone;
  };
  return { agent: await open(AGENT, true), customer: await open(CUSTOMER, false) };
}

function registrarOf({ state }: DemoRun) {
  const [first] = state.config.sip.listen;
  if (first === undefined) throw new GrecError('INTERNAL', 'the demonstration listens nowhere');
  return first;
}

async function addDn({ state: { config } }: DemoRun, number: string, change: object): Promise<void> {
  await askDaemon('grec-sipd', socketOf(config, 'grec-sipd'), 'PUT', `/dns/${number}`, change);
}

async function register(run: DemoRun, phone: Phone): Promise<void> {
  const what = `registering ${phone.number}`;
  const { status, reason } = await run.within(REGISTER_LIMIT_MS, what, phone.register());
  if (status !== 200) throw new GrecError('DEMO_FAILED', `${what}: the switch answered ${status} ${reason}`);
}

/** The customer calls, the agent answers. */
export async function connect(run: DemoRun, { agent, customer }: DemoPhones): Promise<DemoCall> {
  const placed = await customer.call(agent.number);
  const { answered, status, reason } = await run.within(
    ANSWER_LIMIT_MS,
    `${customer.number} calls ${agent.number}`,
    placed.outcome,
  );
  if (!answered)
    throw new GrecError('DEMO_FAILED', `the call failed: the switch answered ${status} ${reason}`);
  const taken = await run.within(ANSWER_LIMIT_MS, `${agent.number} is called`, agent.nextCall());
  await run.within(ANSWER_LIMIT_MS, `${agent.number} waits for the ACK of its answer`, taken.outcome);
  return {
    agent: { call: taken, voice: loadVoice('agent') },
    customer: { call: placed, voice: loadVoice('customer') },
  };
}

/**
 * Both sides speak; resolves when every packet of each has arrived at the other, or is overdue.
 * @param onPhrase is told each phrase as it begins
 */
export async function converse(
  run: DemoRun,
  { agent, customer }: DemoCall,
  onPhrase: (speaker: 'agent' | 'customer', words: string) => void,
): Promise<void> {
  const speaking = Promise.all([agent, customer].map(({ call, voice }) => call.speak(voice.mulaw)));
  const timers = PHRASES.map(({ speaker, words, atMs }) => setTimeout(() => onPhrase(speaker, words), atMs));
  try {
    await run.within(DIALOGUE_MS + 10_000, 'the conversation', speaking);
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
  await run.within(2 * LAST_PACKETS_MS, 'the last packets', allHeard(agent, customer));
}

/** A packet that is lost must not end the demonstration here: the proof tells which one is missing. */
async function allHeard(agent: DemoSide, customer: DemoSide): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LAST_PACKETS_MS);
  });
  await Promise.race([overdue, Promise.all([heard(agent, customer), heard(customer, agent)])]);
  clearTimeout(timer);
}

function heard(listener: DemoSide, speaker: DemoSide): Promise<void> {
  return listener.call.media.receiver.until(speaker.voice.packets);
}
