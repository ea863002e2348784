// sipp's word for what happens in and around a dialog: PRACK, UPDATE, session timers, redirection, REFER.
import t from 'tap';
import { freePort, install } from './installation.ts';
import { noSipp, runSipp, type SippResult } from './sipp.ts';

const TRUNK = '127.0.7.1';
const TIMEOUT_S = 20;

const installation = await install({ toml: `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\n` });
t.teardown(() => installation.stop());
t.jobs = 4;

let hosts = 10;

interface Desk {
  result: Promise<SippResult>;
}

/** A phone that has registered as that DN, and does what the scenario says when it is called. */
async function desk(number: string, scenario: string, words: Record<string, string> = {}): Promise<Desk> {
  const host = `127.0.7.${hosts++}`;
  const local = { host, port: await freePort(host) };
  await installation.addDn(number, 'secret');
  const common = { local, remote: installation.sip, calls: 1, timeoutS: TIMEOUT_S };
  const registration = { ...common, scenario: 'register', words: { number, password: 'secret' } };
  const registered = await runSipp(registration).result;
  if (registered.code !== 0) throw new Error(`${number} could not register: ${registered.errors}`);
  return { result: runSipp({ ...common, scenario, words }).result };
}

async function trunk(scenario: string, words: Record<string, string>): Promise<SippResult> {
  const local = { host: TRUNK, port: await freePort(TRUNK) };
  const all = { caller: '+4930123', ...words };
  const { sip: remote } = installation;
  return runSipp({ scenario, local, remote, calls: 1, timeoutS: TIMEOUT_S, words: all }).result;
}

/** What went wrong at any end, in sipp's words. */
async function wrong(...results: (Promise<SippResult> | Desk)[]): Promise<string[]> {
  const ended = await Promise.all(results.map((one) => ('result' in one ? one.result : one)));
  return ended.flatMap(({ code, errors }) => (code === 0 ? [] : [`${code}: ${errors}`]));
}

t.test('PRACK and UPDATE are carried from one side to the other', { skip: noSipp }, async (t) => {
  const phone = await desk('7301', 'uas-prack');
  t.same(await wrong(trunk('uac-prack', { number: '7301' }), phone), []);
});

t.test('session timers: 422, then what was asked for, and a refresh', { skip: noSipp }, async (t) => {
  const phone = await desk('7302', 'uas-answer');
  t.same(await wrong(trunk('uac-timer', { number: '7302' }), phone), []);
});

t.test('a phone sends its call to another DN', { skip: noSipp }, async (t) => {
  const target = await desk('7304', 'uas-answer');
  const phone = await desk('7303', 'uas-redirect', { number: '7304' });
  t.same(await wrong(trunk('uac-timer', { number: '7303' }), phone, target), []);
});

t.test('a trunk refers a phone to another one', { skip: noSipp }, async (t) => {
  const [phone, target] = [await desk('7305', 'uas-moved'), await desk('7306', 'uas-answer')];
  t.same(await wrong(trunk('uac-refer', { number: '7305', target: '7306' }), phone, target), []);
});
