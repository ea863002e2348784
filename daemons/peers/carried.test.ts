// What is carried through a call: who the caller is and how it came, requests in the dialog; and a conference by a phone's mixer.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../../src/log.ts';
import { createUserAgent, type Dialog, type ExtraHeaders, type UserAgent } from '../../src/sip/user-agent.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { freePort, install, readChannels } from './installation.ts';
import { noise } from './noise.ts';
import { openParty, type Party } from './party.ts';
import { connect, newPhone } from './phones.ts';

const TRUNK = '127.0.10.1';
const trunkPort = await freePort(TRUNK);
const installation = await install({
  toml: `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\nport = ${trunkPort}\n`,
});
t.teardown(() => installation.stop());
const options = { timeout: 60_000 };

/** The headers of calls that came to the trunk. */
const arrived: Record<string, unknown>[] = [];
const carrier: UserAgent = await createUserAgent({
  listen: [{ protocol: 'udp', host: TRUNK, port: trunkPort }],
  log: silentLogger(),
  product: 'carrier',
  onInvite: (invite) => {
    arrived.push({ ...invite.message.headers });
    invite.respond(486);
  },
  onRequest: (request) => request.respond(200),
});
t.teardown(() => carrier.close());

let numbers = 7900;

async function party(t: Test): Promise<Party & { number: string }> {
  const number = `${numbers++}`;
  const opened = await openParty(installation, number, { record: true });
  t.teardown(() => opened.close());
  return { ...opened, number };
}

/** A call of the trunk to that DN, which refuses it; resolves with the headers that it got. */
async function shownTo({ number, nextInvite }: Party & { number: string }, headers: ExtraHeaders) {
  const uri = `sip:${number}@${installation.sip.host}:${installation.sip.port}`;
  const peer = { protocol: 'udp', address: installation.sip.host, port: installation.sip.port } as const;
  const from = { uri: `sip:+4930123@${TRUNK}` };
  const refused = Promise.withResolvers<void>();
  carrier.invite({
    ...{ uri, from, to: { uri }, peer, headers },
    onAccepted: () => refused.reject(new Error('answered')),
    onRejected: () => refused.resolve(),
  });
  const invite = await nextInvite();
  invite.respond(486);
  await refused.promise;
  return invite.message.headers;
}

const CAME_BY = {
  'p-asserted-identity': '<sip:+4930123@carrier.example>',
  diversion: '<sip:+4931@carrier.example>;reason=user-busy',
  'history-info': '<sip:+4931@carrier.example>;index=1, <sip:+4932@carrier.example;cause=486>;index=1.1',
};

t.test('a phone sees whom the trunk asserts, and the way by which the call came', options, async (t) => {
  t.match(await shownTo(await party(t), CAME_BY), CAME_BY);
});

t.test('a caller who is to be hidden is hidden from phones', options, async (t) => {
  const headers = await shownTo(await party(t), { ...CAME_BY, privacy: 'id' });
  t.match(headers, { privacy: 'id', from: { uri: 'sip:anonymous@anonymous.invalid' } });
  t.equal(headers['p-asserted-identity'], undefined);
});

t.test('a trunk is told who calls, whatever a phone writes of itself', options, async (t) => {
  const { agent, number } = await party(t);
  const uri = `sip:+4940@${installation.sip.host}:${installation.sip.port}`;
  const before = arrived.length;
  const status = await new Promise<number>((resolve) => {
    agent.invite({
      uri,
      from: { uri: `sip:${number}@${installation.sip.host}` },
      to: { uri },
      peer: { protocol: 'udp', address: installation.sip.host, port: installation.sip.port },
      credentials: { username: number, password: `secret-${number}` },
      headers: { ...CAME_BY, privacy: 'id' },
      onAccepted: () => resolve(200),
      onRejected: (response) => resolve(response.status),
    });
  });
  t.equal(status, 486);
  const [headers] = arrived.slice(before);
  t.match(headers, { privacy: 'id', 'p-asserted-identity': new RegExp(`sip:${number}@`) });
  t.match(headers, { from: { uri: 'sip:anonymous@anonymous.invalid' } });
  t.same([headers?.['diversion'], headers?.['history-info']], [undefined, undefined]);
});

t.test(
  'INFO, MESSAGE and NOTIFY pass in either direction, with what makes them understood',
  options,
  async (t) => {
    const [caller, callee] = [await party(t), await party(t)];
    const calling = caller.call(callee.number);
    const invite = await callee.nextInvite();
    const theirs = invite.accept({ body: callee.sdp() });
    const { dialog: ours } = await calling;
    if (ours === undefined) throw new Error('not answered');
    for (const [from, to] of [
      [ours, theirs],
      [theirs, ours],
    ] as const)
      for (const [method, type, headers] of [
        ['INFO', 'application/media_control+xml', { 'info-package': 'test' }],
        ['MESSAGE', 'text/plain', { subject: 'hello' }],
        [
          'NOTIFY',
          'application/simple-message-summary',
          { event: 'message-summary', 'subscription-state': 'active' },
        ],
      ] as const) {
        const came = takeOne(to);
        const body = { type, bytes: `${method} ü` };
        t.equal((await from.request(method, { headers, body })).status, 202);
        const message = await came;
        t.match(message.headers, { ...headers, 'content-type': type });
        t.equal(`${message.body}`, body.bytes);
      }
    await ours.bye();
  },
);

/** The next request in that dialog, which is answered 202. */
function takeOne(dialog: Dialog): Promise<{ headers: object; body: Buffer }> {
  return new Promise((resolve) => {
    dialog.onRequest = (request) => {
      request.respond(202);
      resolve(request.message);
    };
  });
}

t.test(
  'a conference by the agent’s mixer: both of its calls are recordings of their own',
  options,
  async (t) => {
    const agent = await newPhone(t, installation, { record: true });
    const [customer, expert] = [await newPhone(t, installation), await newPhone(t, installation)];
    const [fromCustomer, atAgent] = await connect(customer, agent);
    t.equal(await atAgent.hold(), 200);
    const [toExpert, atExpert] = await connect(agent, expert);
    t.equal(await atAgent.retrieve(), 200);
    const said = { customer: noise('customer'), expert: noise('expert') };
    // What comes from one side goes out on the other, as from a mixer whose owner is silent.
    await Promise.all([
      ...[fromCustomer.speak(said.customer), toExpert.speak(said.customer)],
      ...[atExpert.speak(said.expert), atAgent.speak(said.expert)],
    ]);
    await fromCustomer.hangup();
    await atAgent.ended;
    await atExpert.hangup();
    await toExpert.ended;
    const rows = await installation.until('both are recorded', async () => {
      const found = (await installation.recordings(0)).filter(({ dn }) => dn === agent.number);
      return found.length === 2 ? found : undefined;
    });
    for (const [other, mixed, own] of [
      [customer.number, said.expert, said.customer],
      [expert.number, said.customer, said.expert],
    ] as const) {
      const row = rows.find(({ caller, callee }) => caller === other || callee === other);
      t.equal(row?.state, 'complete', row?.reason ?? '');
      const file = join(installation.config.paths.archive, row?.path ?? 'missing', 'audio.wav');
      const [left, right] = readChannels(file);
      t.match(findAudio(left, toLinear(mixed)), { exact: true }, 'what the agent’s phone sends');
      t.match(findAudio(right, toLinear(own)), { exact: true }, `what ${other} says`);
    }
  },
);
