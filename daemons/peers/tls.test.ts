// TLS on a running switch: phones and a trunk on it, calls recorded, another certificate while a call is up.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { silentLogger } from '../../src/log.ts';
import { createUserAgent } from '../../src/sip/user-agent.ts';
import type { TestCertificate } from '../../src/testing/certificate.ts';
import { createPhone, type Phone } from '../../src/testing/phone.ts';
import { freePort, type Installation, install, writeCertificate } from './installation.ts';

const TRUNK = '127.0.0.31';
/** Half a second. */
const SPEECH = Buffer.alloc(4000, 0x23);

function identity(authority: TestCertificate, own = authority.issue()) {
  const { certificate, key } = own;
  return { certificate, key, ca: authority.certificate, verifyClients: false, verifyServers: true };
}

async function phoneOn(
  t: Test,
  installation: Installation,
  number: string,
  protocol: 'udp' | 'tls',
): Promise<Phone> {
  const { tls, sip } = installation;
  await installation.addDn(number, `secret-${number}`, { record: number === '7001' });
  const phone = await createPhone({
    number,
    password: `secret-${number}`,
    registrar: { host: sip.host, port: protocol === 'tls' ? tls.port : sip.port, protocol },
    listenHost: '127.0.0.1',
    tls: identity(tls.authority),
    log: silentLogger(),
  });
  t.teardown(() => phone.close());
  t.equal((await phone.register()).status, 200);
  return phone;
}

/** The name in the certificate that a new connection is shown. */
async function shown({ sip, tls }: Installation): Promise<string> {
  const socket = connect({ ...sip, port: tls.port, ca: tls.authority.certificate, servername: 'localhost' });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

t.test(
  'a call between TLS and UDP, recorded, and a new certificate in its midst',
  { timeout: 60_000 },
  async (t) => {
    const installation = await install({ tls: true });
    t.teardown(() => installation.stop());
    const { configFile, daemons, tls, log } = installation;
    const agent = await phoneOn(t, installation, '7001', 'tls');
    const customer = await phoneOn(t, installation, '7002', 'udp');
    const caller = await customer.call('7001');
    const callee = await agent.nextCall();
    t.match(await caller.outcome, { answered: true });
    await callee.outcome;
    await Promise.all([caller.speak(SPEECH), callee.speak(SPEECH)]);

    const reload = async (certificate: { certificate: string; key: string }, line: RegExp) => {
      writeCertificate(dirname(configFile), certificate, tls.authority);
      const before = log.length;
      daemons.processes.get('grec-sipd')?.kill('SIGHUP');
      await installation.until('the certificate is read again', async () =>
        log.slice(before).some((one) => line.test(one)) ? true : undefined,
      );
    };
    t.equal(await shown(installation), 'grec test');
    await reload(tls.authority.issue({ name: 'renewed' }), /TLS certificate read again/);
    t.equal(await shown(installation), 'renewed');
    await reload(
      { certificate: 'broken', key: 'broken' },
      /"alarm":"tls-certificate".*the one in force stays/,
    );
    t.equal(await shown(installation), 'renewed');

    t.equal(await callee.hold(), 200, 'the connection of the call has outlived both');
    t.equal(await callee.retrieve(), 200);
    await callee.hangup();
    t.match(await caller.ended, { by: 'remote' });
    const [row] = await installation.recordings(1);
    t.match(row, { state: 'complete', caller: '7002', callee: '7001' });
    const back = await agent.call('7002');
    t.match(await back.outcome, { answered: true });
    await back.hangup();
  },
);

t.test(
  'a trunk on TLS is called when its certificate is good, and only then',
  { timeout: 60_000 },
  async (t) => {
    const port = await freePort(TRUNK);
    const installation = await install({
      tls: true,
      toml: `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\nport = ${port}\ntransport = "tls"\ntls-name = "sip.carrier.example"`,
    });
    t.teardown(() => installation.stop());
    const { authority } = installation.tls;
    const uris: string[] = [];
    const carrier = await createUserAgent({
      listen: [{ protocol: 'tls', host: TRUNK, port }],
      tls: identity(authority),
      log: silentLogger(),
      product: 'carrier',
      onInvite: (invite) => {
        uris.push(invite.message.uri);
        invite.respond(486);
      },
      onRequest: (request) => request.respond(200),
    });
    t.teardown(() => carrier.close());
    const phone = await phoneOn(t, installation, '7002', 'tls');
    t.match(await (await phone.call('+4930')).outcome, { answered: false, status: 503 });
    await installation.logged(/no TLS connection to sip\.carrier\.example: Hostname/);
    t.same(uris, []);
    carrier.useTls(identity(authority, authority.issue({ names: ['sip.carrier.example'] })));
    t.match(await (await phone.call('+4930')).outcome, { status: 486 });
    t.match(uris, [/^sip:\+4930@127\.0\.0\.31:\d+;transport=tls$/]);
  },
);

t.test('a certificate that cannot be used is an error at the start, which names it', async (t) => {
  const prepare = (directory: string) => writeFileSync(join(directory, 'key.pem'), 'broken');
  await t.rejects(install({ tls: true, prepare }), {
    message: /TLS_UNUSABLE.*key\.pem holds nothing of use/,
  });
});
