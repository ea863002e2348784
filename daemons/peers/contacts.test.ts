// A DN with several phones: all ring, the first answer wins, the others hear that somebody else took the call.
import { createSocket } from 'node:dgram';
import t from 'tap';
import { silentLogger } from '../../src/log.ts';
import { createPhone } from '../../src/testing/phone.ts';
import { freePort, install } from './installation.ts';
import { noSipp, runSipp } from './sipp.ts';

const HOST = '127.0.0.1';
const TRUNK = '127.0.0.2';

t.test(
  'two phones of one DN ring, one answers, the other is told',
  { skip: noSipp, timeout: 60_000 },
  async (t) => {
    const installation = await install({ toml: `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\n` });
    t.teardown(() => installation.stop());
    await installation.addDn('7001', 'secret');
    const remote = installation.sip;
    const ports = [await freePort(), await freePort()];
    for (const port of ports) {
      const words = { number: '7001', password: 'secret' };
      const run = runSipp({ scenario: 'register', local: { host: HOST, port }, remote, calls: 1, words });
      t.match(await run.result, { code: 0, errors: '' });
    }
    const dn = await installation.ask<{ registrations: unknown[] }>('grec-sipd', 'GET', '/dns/7001');
    t.equal(dn.registrations.length, 2);
    const [slow = 0, quick = 0] = ports;
    const phone = (scenario: string, port: number) =>
      runSipp({
        scenario,
        local: { host: HOST, port },
        remote,
        calls: 1,
        words: { ms: '300' },
        timeoutS: 30,
      });
    const phones = [phone('rings-until-cancelled', slow), phone('plain-answer', quick)];
    t.teardown(() => {
      for (const run of phones) run.kill();
    });
    const caller = runSipp({
      scenario: 'plain-call',
      local: { host: TRUNK, port: await freePort(TRUNK) },
      remote,
      calls: 1,
      words: { number: '7001', caller: '+4930123', ms: '200' },
      timeoutS: 30,
    });
    for (const run of [caller, ...phones]) t.match(await run.result, { code: 0, errors: '' });
  },
);

t.test(
  'a phone that has gone is passed over, and rings again when it is back',
  { skip: noSipp, timeout: 60_000 },
  async (t) => {
    const installation = await install({
      sip: 'qualify = 1',
      toml: `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\n`,
    });
    t.teardown(() => installation.stop());
    await installation.addDn('7001', 'secret');
    const remote = installation.sip;
    const gone = await freePort();
    const register = { scenario: 'register', local: { host: HOST, port: gone }, remote, calls: 1 };
    const registered = runSipp({ ...register, words: { number: '7001', password: 'secret' } });
    t.match(await registered.result, { code: 0, errors: '' });
    const registrar = { ...remote, protocol: 'tcp' } as const;
    const options = { number: '7001', password: 'secret', registrar, listenHost: HOST, log: silentLogger() };
    const phone = await createPhone(options);
    t.teardown(() => phone.close());
    t.equal((await phone.register()).status, 200);
    const reachable = async () => {
      const { registrations } = await installation.ask<{
        registrations: { transport: string; reachable: boolean | null }[];
      }>('grec-sipd', 'GET', '/dns/7001');
      return Object.fromEntries(registrations.map((one) => [one.transport, one.reachable]));
    };
    await installation.until('one answers, the other does not', async () => {
      const { udp, tcp } = await reachable();
      return (udp === false && tcp === true) || undefined;
    });
    const call = () =>
      runSipp({
        scenario: 'plain-call',
        local: { host: TRUNK, port: 0 },
        remote,
        calls: 1,
        words: { number: '7001', caller: '+4930123', ms: '50' },
        timeoutS: 30,
      });
    const options405 = runSipp({
      scenario: 'answers-options',
      local: { host: HOST, port: gone },
      remote,
      calls: 1,
    });
    t.teardown(() => options405.kill());
    t.match(await options405.result, { code: 0, errors: '' });
    await installation.until('it is back', async () => (await reachable())['udp'] === true || undefined);
    await installation.until(
      'it has gone again',
      async () => (await reachable())['udp'] === false || undefined,
    );
    const silent = createSocket('udp4');
    const heard: string[] = [];
    silent.on('message', (bytes) => void heard.push(bytes.toString().split(' ')[0] ?? ''));
    await new Promise<void>((resolve) => silent.bind(gone, HOST, resolve));
    t.teardown(() => silent.close());
    const [, taken] = await Promise.all([call().result, phone.nextCall()]);
    t.match(await taken.outcome, { answered: true });
    await installation.until('it is asked again', async () => heard.includes('OPTIONS') || undefined);
    t.notOk(heard.includes('INVITE'), 'it is passed over');
    const told = () =>
      installation.log.filter((line) => /a contact (does not answer|answers again)/.test(line)).length;
    await installation.until('it is told', async () => told() >= 3 || undefined);
    t.equal(told(), 3);
  },
);
