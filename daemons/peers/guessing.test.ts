// Who guesses passwords is logged for fail2ban, and soon not answered; a phone beside it registers all the same.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { silentLogger } from '../../src/log.ts';
import { authorize } from '../../src/sip/digest.ts';
import { createUserAgent } from '../../src/sip/user-agent.ts';
import { createPhone } from '../../src/testing/phone.ts';
import { freePort, install } from './installation.ts';
import { noSipp, runSipp } from './sipp.ts';

const FILTER = readFileSync(new URL('../fail2ban/grec-sipd.conf', import.meta.url), 'utf8');

t.test(
  'wrong passwords: refused, logged, then met with silence',
  { skip: noSipp, timeout: 60_000 },
  async (t) => {
    const installation = await install({ digest: ['SHA-256', 'MD5'] });
    t.teardown(() => installation.stop());
    await installation.addDn('7001', 'secret');
    const guesser = await createUserAgent({
      listen: [{ protocol: 'udp', host: '127.0.0.3', port: 0 }],
      log: silentLogger(),
      product: 'guesser',
      onInvite: () => undefined,
      onRequest: () => undefined,
    });
    t.teardown(() => guesser.close());
    const { host: address, port } = installation.sip;
    const uri = { uri: `sip:7001@${address}` };
    const guess = async (password: string) => {
      const credentials = { username: '7001', password };
      const peer = { protocol: 'udp', address, port } as const;
      const headers = { contact: '<sip:7001@127.0.0.3>' };
      const request = {
        method: 'REGISTER',
        patienceMs: 500,
        uri: `sip:${address}:${port}`,
        from: uri,
        to: uri,
        peer,
      };
      return (await guesser.request({ ...request, headers, credentials })).status;
    };
    const statuses: number[] = [];
    // Each failure doubles the silence, so that even a slow machine comes to hear it.
    while (statuses.at(-1) !== 408 && statuses.length < 8) statuses.push(await guess('guess'));
    t.same(new Set(statuses), new Set([401, 408]));
    const [expression = ''] = /\{"level.*$/m.exec(FILTER.replaceAll('\\{', '{')) ?? [];
    const line = new RegExp(expression.replace('{', '\\{').replace('<ADDR>', '([0-9.]+)'));
    const found = installation.log.map((text) => line.exec(text)?.[1]).filter((one) => one !== undefined);
    const refused = statuses.filter((one) => one === 401);
    t.same(
      found,
      refused.map(() => '127.0.0.3'),
    );
    t.notMatch(installation.log.join('\n'), /secret/);
    const { counters } = await installation.ask<{ counters: Record<string, number> }>(
      'grec-sipd',
      'GET',
      '/status',
    );
    t.equal(counters['auth-wrong'], refused.length);
    t.ok((counters['auth-silenced'] ?? 0) >= 1);
    const phone = await createPhone({
      number: '7001',
      password: 'secret',
      registrar: { ...installation.sip, protocol: 'udp' },
      listenHost: '127.0.0.1',
      log: silentLogger(),
    });
    t.teardown(() => phone.close());
    t.equal((await phone.register()).status, 200, 'with SHA-256');
  },
);

t.test(
  'a phone that knows MD5 alone registers where MD5 comes first',
  { skip: noSipp, timeout: 60_000 },
  async (t) => {
    const installation = await install({ digest: ['MD5', 'SHA-256'] });
    t.teardown(() => installation.stop());
    await installation.addDn('7001', 'secret');
    const run = runSipp({
      scenario: 'register',
      local: { host: '127.0.0.1', port: await freePort() },
      remote: installation.sip,
      calls: 1,
      words: { number: '7001', password: 'secret' },
    });
    t.match(await run.result, { code: 0, errors: '' });
  },
);

t.test('credentials that somebody has overheard are good for nothing', { timeout: 60_000 }, async (t) => {
  const installation = await install({ digest: ['SHA-256'] });
  t.teardown(() => installation.stop());
  await installation.addDn('7001', 'secret');
  const { host, port } = installation.sip;
  const uri = `sip:${host}:${port}`;
  /** A REGISTER from a socket of its own. @returns status, and the challenge of a 401 */
  const register = async (from: string, contact: string, authorization?: string) => {
    const socket = createSocket('udp4').bind(0, from);
    await once(socket, 'listening');
    const id = `${from} ${contact} ${Math.random()}`.replaceAll(/[^\w]/g, '');
    const lines = [
      `REGISTER ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${from}:${socket.address().port};branch=z9hG4bK${id}`,
      ...[`From: <sip:7001@${host}>;tag=1`, `To: <sip:7001@${host}>`, `Call-ID: ${id}`, 'CSeq: 1 REGISTER'],
      ...[`Contact: <sip:7001@${contact}>`, 'Max-Forwards: 70', 'Content-Length: 0'],
      ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
    ];
    socket.send([...lines, '', ''].join('\r\n'), port, host);
    const [answer] = (await once(socket, 'message')) as [Buffer];
    socket.close();
    const [, parameters = ''] = /^WWW-Authenticate: *Digest (.*)\r$/im.exec(answer.toString()) ?? [];
    const pairs = [...parameters.matchAll(/(\w+)=("[^"]*"|[^,\s]+)/g)].map(([, name = '', value]) => [
      name,
      value,
    ]);
    return { status: Number(answer.toString().slice(8, 11)), challenge: Object.fromEntries(pairs) };
  };
  const { challenge } = await register('127.0.0.4', '127.0.0.4:5070');
  const credentials = { username: '7001', password: 'secret' };
  const own = { credentials, method: 'REGISTER', uri, cnonce: 'c' };
  const authorization = authorize({ ...own, challenge: { scheme: 'Digest', ...challenge }, nc: 1 });
  t.match(authorization, /algorithm=SHA-256/);
  t.equal((await register('127.0.0.4', '127.0.0.4:5070', authorization)).status, 200);
  const replayed = await register('127.0.0.9', '127.0.0.9:5070', authorization);
  t.equal(replayed.status, 401);
  t.not(replayed.challenge.nonce, challenge.nonce, 'it is asked anew');
  const { registrations } = await installation.ask<{ registrations: { contact: string }[] }>(
    'grec-sipd',
    'GET',
    '/dns/7001',
  );
  t.same(
    registrations.map(({ contact }) => contact),
    ['sip:7001@127.0.0.4:5070'],
  );
});
