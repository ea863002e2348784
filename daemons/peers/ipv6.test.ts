// IPv6: whole calls over [::1] by UDP, TCP and TLS, and between the two versions of IP, recorded to the sample.
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../../src/log.ts';
import type { Protocol } from '../../src/sip/user-agent.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { createPhone, type Phone } from '../../src/testing/phone.ts';
import { type Installation, install, readChannels } from './installation.ts';

const noIPv6: string | false = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
)
  ? false
  : 'this machine has no IPv6 loopback';

/** Half a second that is not the same twice. */
const speech = (seed: number) =>
  Buffer.from(Array.from({ length: 4000 }, (_, at) => (at * seed * 31 + (at >> 5)) & 255));

async function phoneOn(
  t: Test,
  installation: Installation,
  number: string,
  place: { host: string; protocol: Protocol },
) {
  const { host, protocol } = place;
  const { tls, sip } = installation;
  await installation.addDn(number, `secret-${number}`, { record: number.startsWith('70') });
  const { certificate, key } = tls.authority.issue();
  const phone = await createPhone({
    number,
    password: `secret-${number}`,
    registrar: { host, port: protocol === 'tls' ? tls.port : sip.port, protocol },
    listenHost: host,
    tls: { certificate, key, ca: tls.authority.certificate, verifyClients: false, verifyServers: true },
    log: silentLogger(),
  });
  t.teardown(() => phone.close());
  t.equal((await phone.register()).status, 200, `${number} registers by ${protocol} on ${host}`);
  return phone;
}

/** Both speak, and hear each other; then the caller hangs up. */
async function talk(t: Test, from: Phone, to: Phone): Promise<void> {
  const caller = await from.call(to.number);
  const callee = await to.nextCall();
  t.match(await caller.outcome, { answered: true });
  await callee.outcome;
  await Promise.all([caller.speak(speech(3)), callee.speak(speech(5))]);
  await Promise.all([caller, callee].map(({ media }) => media.receiver.until(25)));
  t.equal(await callee.hold(), 200);
  t.equal(await callee.retrieve(), 200);
  await caller.hangup();
  t.match(await callee.ended, { by: 'remote' });
}

t.test('whole calls', { skip: noIPv6, timeout: 60_000 }, async (t) => {
  const installation = await install({
    tls: true,
    alsoOn: ['::1'],
    mediad: 'address-ipv6 = "::1"',
  });
  t.teardown(() => installation.stop());
  const six = (protocol: Protocol) => ({ host: '::1', protocol });
  const four = { host: '127.0.0.1', protocol: 'udp' } as const;
  const phones = {
    udp: await phoneOn(t, installation, '7001', six('udp')),
    tcp: await phoneOn(t, installation, '7002', six('tcp')),
    tls: await phoneOn(t, installation, '7003', six('tls')),
    old: await phoneOn(t, installation, '8004', four),
    plain: await phoneOn(t, installation, '8005', six('udp')),
  };
  await talk(t, phones.plain, phones.udp);
  await talk(t, phones.udp, phones.tcp);
  await talk(t, phones.tcp, phones.tls);
  await talk(t, phones.tls, phones.old);
  await talk(t, phones.old, phones.udp);
  const rows = await installation.recordings(5);
  t.same(
    rows.map(({ state, reason }) => `${state} ${reason}`),
    Array(5).fill('complete null'),
  );
  for (const { path, dn, caller } of rows) {
    const channels = readChannels(join(installation.config.paths.archive, path ?? '', 'audio.wav'));
    // Left is the agent, whose DN is recorded; the caller speaks the first text.
    const texts = dn === caller ? [speech(3), speech(5)] : [speech(5), speech(3)];
    for (const [index, text] of texts.entries())
      t.match(
        findAudio(channels[index] ?? new Int16Array(), toLinear(text)),
        { exact: true },
        `${dn} ${index}`,
      );
  }
  // Not recorded: they do not speak the same IP, and the media server stands between them all the same.
  await talk(t, phones.plain, phones.old);
  await talk(t, phones.old, phones.plain);
});
