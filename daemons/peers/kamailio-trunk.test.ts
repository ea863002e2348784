// Kamailio as trunk, known by its address: calls both ways, recorded, refused, sent on, large; over UDP and TCP.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../../src/log.ts';
import { createUserAgent } from '../../src/sip/user-agent.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { createPhone, type Phone, type PhoneCall } from '../../src/testing/phone.ts';
import { freePort, type Installation, install, readChannels } from './installation.ts';
import { type Kamailio, noKamailio, startKamailio } from './kamailio.ts';
import { noise } from './noise.ts';

/** Each with an address of its own: the trunk is known by it. */
const [TRUNK, CARRIER, DESK] = ['127.0.0.31', '127.0.0.32', '127.0.0.33'] as const;
const CUSTOMER = '+4930123';
const PADDING = 'x'.repeat(6000);

t.jobs = 2;

interface Site {
  installation: Installation;
  trunk: Kamailio;
  /** Who is called across the trunk, and calls. */
  carrier: Phone;
  /** A DN; what crosses the trunk is recorded. */
  agent: Phone;
}

async function newPhone(
  t: Test,
  number: string,
  host: string,
  registrar: Parameters<typeof createPhone>[0]['registrar'],
) {
  const phone = await createPhone({
    number,
    password: 'secret',
    registrar,
    listenHost: host,
    log: silentLogger(),
  });
  t.teardown(() => phone.close());
  return phone;
}

async function newSite(t: Test, transport: 'udp' | 'tcp'): Promise<Site> {
  const port = await freePort(TRUNK);
  const carrier = await newPhone(t, CUSTOMER, CARRIER, { host: TRUNK, port, protocol: transport });
  const carrierPort = /:(\d+)(?:;|$)/.exec(carrier.contact)?.[1] ?? '';
  const trunk = `[[trunk]]\nname = "kamailio"\nhost = "${TRUNK}"\nport = ${port}\ntransport = "${transport}"\nrecord = true\n`;
  const installation = await install({ toml: trunk });
  t.teardown(() => installation.stop());
  const inside = `${installation.sip.host}:${installation.sip.port}`;
  const kamailio = await startKamailio({
    configuration: 'trunk',
    host: TRUNK,
    port,
    words: { inside, carrierHost: CARRIER, carrierPort, transport },
  });
  t.teardown(() => kamailio.stop());
  await installation.addDn('7001', 'secret');
  const agent = await newPhone(t, '7001', DESK, { ...installation.sip, protocol: 'udp' });
  await agent.register();
  return { installation, trunk: kamailio, carrier, agent };
}

/** A call with words and a hold, hung up by the callee; its recording holds the words. */
async function talk(t: Test, { installation, trunk }: Site, caller: Phone, callee: Phone, direction: string) {
  const out = await caller.call(callee.number);
  const into = await callee.nextCall();
  await Promise.all([out.outcome, into.outcome]);
  const sent = { caller: noise(`${direction} caller`), callee: noise(`${direction} callee`) };
  await Promise.all([out.speak(sent.caller), into.speak(sent.callee)]);
  t.equal(await into.hold(), 200);
  t.equal(await into.retrieve(), 200);
  await into.hangup();
  t.match(await out.ended, { by: 'remote' });
  const row = await installation.until(`the ${direction} call is recorded`, async () =>
    (await installation.recordings(0)).find((one) => one.direction === direction),
  );
  t.match(row, { state: 'complete', caller: caller.number, callee: callee.number });
  const channels = readChannels(join(installation.config.paths.archive, row.path ?? 'missing', 'audio.wav'));
  const [agent, customer] =
    direction === 'inbound' ? (['callee', 'caller'] as const) : (['caller', 'callee'] as const);
  t.match(findAudio(channels[0], toLinear(sent[agent])), { exact: true }, 'left is the agent');
  t.match(findAudio(channels[1], toLinear(sent[customer])), { exact: true }, 'right is the customer');
  // It is of two processes, and what they print comes in a little later.
  const call = direction === 'inbound' ? out : into;
  const methods = ['ACK', 'ACK', 'ACK', 'BYE', 'INVITE', 'INVITE', 'INVITE'];
  await installation.until('all of it has passed', async () =>
    methodsIn(trunk, call).join() === methods.join() ? true : undefined,
  );
  t.pass('all of it went by way of the Record-Route');
}

const methodsIn = ({ passed }: Kamailio, { callId }: PhoneCall) =>
  passed
    .filter((request) => request.callId === callId)
    .map(({ method }) => method)
    .sort();

for (const transport of ['udp', 'tcp'] as const)
  t.test(`over ${transport}`, { skip: noKamailio, timeout: 60_000 }, async (t) => {
    const site = await newSite(t, transport);
    const { installation, trunk, carrier, agent } = site;

    await t.test('a call in', async (t) => {
      await talk(t, site, carrier, agent, 'inbound');
      t.same(new Set(trunk.passed.map(({ protocol }) => protocol)), new Set([transport]));
    });

    await t.test('a call out', (t) => talk(t, site, agent, carrier, 'outbound'));

    await t.test('refused, or sent on', async (t) => {
      for (const [dialled, status] of [
        ['+49486', 486],
        ['+49503', 503],
      ] as const)
        t.match(await (await agent.call(dialled)).outcome, { answered: false, status }, dialled);
      const on = await agent.call(`302${CUSTOMER}`);
      const there = await carrier.nextCall();
      t.match(await on.outcome, { answered: true }, 'a 302 to another number on the trunk');
      await on.hangup();
      t.match(await there.ended, { by: 'remote' });
      t.match(
        await (await agent.call('302+49486')).outcome,
        { answered: false, status: 486 },
        'which is busy',
      );
    });

    await t.test('report 8: a large call', async (t) => {
      const agentOf = await createUserAgent({
        listen: [{ protocol: transport, host: CARRIER, port: 0 }],
        log: silentLogger(),
        product: 'carrier',
        onInvite: (invite) => invite.respond(486),
        onRequest: (request) => request.respond(200),
      });
      t.teardown(() => agentOf.close());
      const uri = `sip:7001@${TRUNK}:${trunk.port}`;
      const body = [
        ...['v=0', `o=- 1 1 IN IP4 ${CARRIER}`, 's=-', `c=IN IP4 ${CARRIER}`, 't=0 0', 'm=audio 9 RTP/AVP 0'],
        ...Array.from({ length: 100 }, (_, at) => `a=x-grec-${at}:${'y'.repeat(40)}`),
      ];
      const answered = new Promise<number>((resolve) => {
        agentOf.invite({
          uri,
          from: { uri: `sip:${CUSTOMER}@${CARRIER}` },
          to: { uri },
          peer: { protocol: transport, address: TRUNK, port: trunk.port },
          headers: { 'x-padding': PADDING },
          body: { type: 'application/sdp', bytes: `${body.join('\r\n')}\r\n` },
          onAccepted: (response, dialog, ack) => {
            ack();
            void dialog.bye().then(() => resolve(response.status));
          },
          onRejected: ({ status }) => resolve(status),
        });
      });
      const into = await agent.nextCall();
      t.equal(await answered, 200);
      t.match(await into.ended, { by: 'remote' });
    });

    await installation.until('no call is left', async () => {
      const { calls } = await installation.ask<{ calls: unknown[] }>('grec-sipd', 'GET', '/calls');
      return calls.length === 0 ? true : undefined;
    });
  });
