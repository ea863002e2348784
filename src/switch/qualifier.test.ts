// Contacts that are asked whether they are there: passed over while they do not answer, back when they do.
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { silentLogger } from '../log.ts';
import type { Registration } from './dn-store.ts';
import { Qualifier } from './qualifier.ts';

function registration(contact: string): Registration {
  const place = { protocol: 'udp', address: '127.0.0.1', port: 5070 } as const;
  return { number: '7001', contact, ...place, expiresAt: 1, callId: 'c', cseq: 1, userAgent: null };
}

/** A qualifier that asks all of `contacts` again and again; `answers` says what they do. */
function asking(t: Test, contacts: string[], intervalMs = 5) {
  const answers = new Map<string, number | undefined>();
  const asked: string[] = [];
  /** How many are asked in one turn of the event loop. */
  const atOnce = { now: 0, most: 0 };
  const log = silentLogger();
  const said: string[] = [];
  log.info = ((_: unknown, text: string) => void said.push(text)) as typeof log.info;
  const registrations = () => contacts.map(registration);
  const qualifier = new Qualifier({
    intervalMs,
    registrations,
    ask: async ({ contact }) => {
      asked.push(contact);
      atOnce.now += 1;
      atOnce.most = Math.max(atOnce.most, atOnce.now);
      setImmediate(() => {
        atOnce.now = 0;
      });
      return answers.has(contact) ? answers.get(contact) : 200;
    },
    log,
    tickMs: 1,
  });
  t.teardown(() => qualifier.stop());
  const until = async (isDone: () => boolean) => {
    while (!isDone()) await setTimeout(1);
  };
  const state = (contact: string) => qualifier.hasAnswered(registration(contact));
  return { qualifier, answers, asked, atOnce, until, state, said };
}

t.test('one that does not answer is marked, and reinstated when it does', async (t) => {
  const { qualifier, answers, until, state, said } = asking(t, ['sip:a', 'sip:b']);
  answers.set('sip:b', 408);
  await until(() => state('sip:b') === false);
  t.equal(state('sip:a'), true);
  t.equal(qualifier.unreachable, 1);
  t.same(said, ['a contact does not answer: calls pass it over']);
  answers.set('sip:b', 405);
  await until(() => state('sip:b') === true);
  t.equal(said.length, 2, 'each change is said once');
});

t.test('one that registers anew is there', async (t) => {
  const { qualifier, answers, until, state } = asking(t, ['sip:a']);
  answers.set('sip:a', 503);
  await until(() => state('sip:a') === false);
  answers.set('sip:a', undefined);
  qualifier.noteRegistered(registration('sip:a'));
  t.equal(state('sip:a'), undefined);
});

t.test('one that cannot be asked is not judged', async (t) => {
  const { answers, asked, until, state } = asking(t, ['sip:a']);
  answers.set('sip:a', undefined);
  await until(() => asked.length > 2);
  t.equal(state('sip:a'), undefined);
});

t.test('what has gone is forgotten, and a change of interval to 0 forgets all', async (t) => {
  const contacts = ['sip:a', 'sip:b'];
  const { qualifier, answers, until, state } = asking(t, contacts);
  answers.set('sip:b', 408);
  await until(() => state('sip:b') === false);
  contacts.pop();
  await until(() => state('sip:b') === undefined);
  qualifier.reload(0);
  t.equal(state('sip:a'), undefined);
  t.equal(qualifier.unreachable, 0);
});

t.test('a round is spread over the interval', async (t) => {
  const contacts = Array.from({ length: 50 }, (_, index) => `sip:${index}`);
  const { asked, atOnce, until } = asking(t, contacts, 25);
  await until(() => asked.length >= 50);
  t.equal(atOnce.most, 2);
  t.equal(new Set(asked.slice(0, 50)).size, 50);
});
