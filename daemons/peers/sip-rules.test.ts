// sipp's word for the rules of RFC 3261 that are easily broken: offers, holds, glare, races, routes, refusals; direct and recorded.
import t, { type Test } from 'tap';
import type { Dialog } from '../../src/sip/user-agent.ts';
import { freePort, install } from './installation.ts';
import { openParty } from './party.ts';
import { noSipp, runSipp, type SippResult } from './sipp.ts';

/** Every caller is there; each phone has an address of its own. */
const TRUNK = '127.0.8.1';
const TIMEOUT_S = 30;
const PADDING = 'x'.repeat(4000);
const NOTE = { type: 'text/plain', bytes: 'still here' };

const [installation, hasty] = await Promise.all([
  install({ toml: `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\n` }),
  // Who does not answer at all is given up after 6.4 s.
  install({ sip: 't1 = 100' }),
]);
t.teardown(() => Promise.all([installation.stop(), hasty.stop()]));
t.jobs = 6;
const options = { skip: noSipp, timeout: 60_000 };

let hosts = 10;
let numbers = 7800;

const rules: Promise<unknown>[] = [];

/** A test beside the others. */
function rule(name: string, run: (t: Test) => Promise<void>): void {
  rules.push(t.test(name, options, run));
}

interface Desk {
  number: string;
  result: Promise<SippResult>;
}

/** A DN whose phone does what the scenario says when it is called. */
async function desk(scenario: string, { record = false, at = installation } = {}): Promise<Desk> {
  const host = `127.0.8.${hosts++}`;
  const number = `${numbers++}`;
  const local = { host, port: await freePort(host) };
  await at.addDn(number, 'secret', { record });
  const common = { local, remote: at.sip, calls: 1, timeoutS: TIMEOUT_S };
  const registration = { ...common, scenario: 'register', words: { number, password: 'secret' } };
  const registered = await runSipp(registration).result;
  if (registered.code !== 0) throw new Error(`${number} could not register: ${registered.errors}`);
  return { number, result: runSipp({ ...common, scenario, words: { number } }).result };
}

async function trunk(
  scenario: string,
  number: string,
  transport: 'udp' | 'tcp' = 'udp',
): Promise<SippResult> {
  const local = { host: TRUNK, port: await freePort(TRUNK) };
  const place = { host: local.host.replaceAll('.', '\\.'), port: `${local.port}` };
  const words = { caller: '+4930123', number, padding: PADDING, ...place };
  const { sip: remote } = installation;
  return runSipp({ scenario, local, remote, calls: 1, transport, timeoutS: TIMEOUT_S, words }).result;
}

/** What went wrong at any end, in sipp's words. */
async function well(t: Test, ...results: Promise<SippResult>[]): Promise<void> {
  for (const { code, errors } of await Promise.all(results))
    t.equal(code, 0, errors.slice(0, 2000).replaceAll(/\s+/g, ' '));
}

for (const [what, caller, callee, transport] of [
  ['hold', 'uac-hold', 'uas-held', 'udp'],
  ['no offer in INVITE and re-INVITE', 'uac-offerless', 'uas-offers', 'udp'],
  ['BYEs that cross', 'uac-bye', 'uas-crosses-bye', 'udp'],
  ['CANCEL that comes too late', 'uac-cancel', 'uas-answers-late', 'udp'],
  ['422 of the callee', 'uac-bye', 'uas-timer', 'udp'],
  ['early media', 'uac-early', 'uas-early', 'udp'],
  ['several early dialogs', 'uac-forked', 'uas-forks', 'udp'],
  ['rport', 'uac-rport', 'uas-answer', 'udp'],
  ['a route that leads nowhere', 'uac-lost-route', 'uas-hangs-up', 'udp'],
  ['a large message over TCP', 'uac-large', 'uas-answer', 'tcp'],
] as const)
  for (const record of [false, true])
    rule(`${what}, ${record ? 'recorded' : 'direct'}`, async (t) => {
      const phone = await desk(callee, { record });
      await well(t, trunk(caller, phone.number, transport), phone.result);
    });

rule('Max-Forwards 0: 483', async (t) => {
  await installation.addDn('7799', 'secret');
  await well(t, trunk('uac-no-hops', '7799'));
});

rule('a call that comes by two ways: 482', async (t) => {
  const phone = await desk('uas-cancelled');
  await well(t, trunk('uac-merged', phone.number), phone.result);
});

const start = (number: string, at = installation) =>
  at.ask<object>('grec-sipd', 'POST', `/calls/${number}/recording`, { operation: 'start' });

/** A call to the phone from a party that lets itself be moved. */
async function callTo(t: Test, number: string, at = installation): Promise<Dialog> {
  const caller = await openParty(at, `${numbers++}`);
  t.teardown(() => caller.close());
  const { response, dialog } = await caller.call(number);
  if (dialog === undefined) throw new Error(`not answered: ${response.status}`);
  dialog.onReinvite = (reinvite) => reinvite.respond(200, { body: caller.sdp() });
  return dialog;
}

rule('glare while recording is asked for: both are refused with 491, and ours is sent again', async (t) => {
  const phone = await desk('uas-glare');
  const dialog = await callTo(t, phone.number);
  t.match(await start(phone.number), { anchored: true, recordingState: 'recording' });
  await dialog.bye();
  await well(t, phone.result);
});

for (const [what, scenario, reason, at] of [
  ['refuses to be moved', 'uas-refuses', /refused the re-INVITE: 488/, installation],
  ['never says whether it moves', 'uas-lingers', /did not answer the re-INVITE/, installation],
  ['says nothing at all when it is to be moved', 'uas-mute', /did not answer the re-INVITE/, hasty],
] as const)
  rule(`a phone that ${what}: not recorded, and the call goes on`, async (t) => {
    const phone = await desk(scenario, { at });
    const dialog = await callTo(t, phone.number, at);
    await t.rejects(start(phone.number, at), { code: 'MEDIA_NOT_MOVED', message: reason });
    await at.until('there is an alarm', async () =>
      at.log.find(
        (line) => /"alarm":"recording-failed"/.test(line) && reason.test(line) && line.includes(phone.number),
      ),
    );
    // The phone hears of it what the other one says.
    t.equal((await dialog.request('INFO', { body: NOTE })).status, 200);
    await dialog.bye();
    await well(t, phone.result);
  });

await Promise.all(rules);
t.test('nothing is left of all that', options, async (t) => {
  await installation.until('every call is over', async () => {
    const { calls } = await installation.ask<{ calls: unknown[] }>('grec-sipd', 'GET', '/calls');
    return calls.length === 0 ? true : undefined;
  });
  const wrong = installation.log.filter((line) => /grec-sipd: .*"level":"(fatal|error)"/.test(line));
  t.same(
    wrong.filter((line) => !line.includes('"alarm":"recording-failed"')),
    [],
  );
});
