// A DN with several phones: all ring, the first answer wins, the others hear that somebody else took the call.
import t from 'tap';
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
