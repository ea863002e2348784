// A routing strategy with real daemons and phones: what it records, what it does not, what it attaches, where it sends.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import * as v from 'valibot';
import { metadataSchema } from '../../src/archive/metadata.ts';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { silentLogger } from '../../src/log.ts';
import { createPhone, type Phone, type PhoneBehaviour } from '../../src/testing/phone.ts';
import { type Installation, install } from './installation.ts';

/** Half a second of G.711, nowhere like silence. */
const SPEECH = Uint8Array.from({ length: 4000 }, (_, index) => (index * 37) % 251);

async function phoneOf(
  t: Test,
  installation: Installation,
  number: string,
  { record = false, ...behaviour }: PhoneBehaviour & { record?: boolean } = {},
): Promise<Phone> {
  await installation.addDn(number, 'secret', { record });
  const registrar = { ...installation.sip, protocol: 'udp' } as const;
  const log = silentLogger();
  const phone = await createPhone({
    number,
    password: 'secret',
    registrar,
    listenHost: '127.0.0.1',
    log,
    behaviour,
  });
  t.teardown(() => phone.close());
  t.equal((await phone.register()).status, 200);
  return phone;
}

/** Puts a strategy in place, and waits until the running switch has taken it over. */
async function useStrategy(installation: Installation, strategy: string): Promise<void> {
  writeFileSync(join(dirname(installation.configFile), 'strategy.toml'), strategy);
  const rules = strategy.split('[[rule]]').length - 1;
  await installation.until('the strategy is in force', async () => {
    const status = await installation.ask<{ strategy: { rules: number } | null }>(
      'grec-sipd',
      'GET',
      '/status',
    );
    return status.strategy?.rules === rules ? true : undefined;
  });
}

/** A call that is answered by `callee`, spoken on both ends, hung up by the caller. */
async function talk(t: Test, caller: Phone, dialled: string, callee: Phone): Promise<void> {
  const [call, taken] = await Promise.all([caller.call(dialled), callee.nextCall()]);
  t.match(await call.outcome, { answered: true, status: 200 }, `${dialled} is answered by ${callee.number}`);
  await Promise.all([call.speak(SPEECH), taken.speak(SPEECH)]);
  await call.hangup();
  await taken.ended;
}

function metadataOf(installation: Installation, row: RecordingRow | undefined) {
  const file = join(installation.config.paths.archive, row?.path ?? '', 'metadata.json');
  return v.parse(metadataSchema, JSON.parse(readFileSync(file, 'utf8')));
}

t.test(
  'report 7: a rule records where no DN does, another one stops what a DN wants',
  { timeout: 90_000 },
  async (t) => {
    const installation = await install();
    t.teardown(() => installation.stop());
    const [caller, plain, recorded] = await Promise.all([
      phoneOf(t, installation, '7009'),
      phoneOf(t, installation, '7001'),
      phoneOf(t, installation, '7002', { record: true }),
    ]);
    await talk(t, caller, '7001', plain);
    await useStrategy(
      installation,
      `
[[rule]]
name = "all that 7009 calls"
match = { from = "7009", to = "70X1", percent = 100 }
record = "source"
attach = { campaign = "Frühling", queue = "7" }
[[rule]]
name = "never 7002"
match.to = "7002"
record = "disable_destination"
`,
    );
    await talk(t, caller, '7002', recorded);
    await talk(t, caller, '7001', plain);
    const [row] = await installation.recordings(1);
    t.match(metadataOf(installation, row), {
      callerPhoneNumber: '7009',
      dialedPhoneNumber: '7001',
      recordDn: '7009',
      decision: {
        side: 'source',
        reason: 'rule "all that 7009 calls" of the routing strategy says record = source',
      },
      attachedData: { campaign: 'Frühling', queue: '7' },
      parties: [
        { channel: 0, role: 'agent', number: '7009' },
        { channel: 1, role: 'customer', number: '7001' },
      ],
    });
    await useStrategy(installation, '[[rule]]\nname = "r"\n');
    await talk(t, caller, '7002', recorded);
    const rows = await installation.recordings(2);
    t.match(
      rows.map(({ state, callee }) => `${state} ${callee}`).sort(),
      ['complete 7001', 'complete 7002'],
      'neither the call before the strategy nor the one that it forbade was recorded',
    );
    writeFileSync(join(dirname(installation.configFile), 'strategy.toml'), 'nonsense = true\n');
    await installation.logged(/strategy\.toml:1: nonsense: unknown key/);
    await talk(t, caller, '7002', recorded);
    t.equal((await installation.recordings(3)).length, 3, 'the last good one is in force');
  },
);

t.test(
  'several DNs, in order and together; the one that answers is recorded',
  { timeout: 90_000 },
  async (t) => {
    const installation = await install();
    t.teardown(() => installation.stop());
    const [caller, busy, agent, slow] = await Promise.all([
      phoneOf(t, installation, '7009'),
      phoneOf(t, installation, '7001', { refuseWith: 486 }),
      phoneOf(t, installation, '7002', { record: true }),
      phoneOf(t, installation, '7003', { ringMs: 60_000 }),
    ]);
    await useStrategy(
      installation,
      `
[[rule]]
name = "busy, then slow, then the agent"
match.to = "7900"
route = { dn = ["7001", "7003", "7002"], ring-time = 1 }
[[rule]]
name = "who is first"
match.to = "7901"
route = { dn = ["7003", "7002"], ring = "together" }
[[rule]]
name = "nobody"
match.to = "7902"
reject = { code = 603, reason = "Closed Today" }
`,
    );
    await talk(t, caller, '7900', agent);
    t.match(await (await busy.nextCall()).outcome, { status: 486 });
    t.match(await (await slow.nextCall()).outcome, { status: 487 }, 'its time is over');
    await talk(t, caller, '7901', agent);
    t.match(await (await slow.nextCall()).outcome, { status: 487 }, 'another one has answered');
    const refused = await caller.call('7902');
    t.match(await refused.outcome, { status: 603, reason: 'Closed Today' });
    const rows = await installation.recordings(2);
    t.ok(rows.every(({ state, dn }) => state === 'complete' && dn === '7002'));
    t.match(metadataOf(installation, rows[0]), {
      dialedPhoneNumber: '7901',
      parties: [
        { channel: 0, role: 'agent', number: '7002' },
        { channel: 1, role: 'customer', number: '7009' },
      ],
    });
  },
);

t.test('an external system decides, and a call goes on without it', { timeout: 90_000 }, async (t) => {
  const asked: { from: string; to: string }[] = [];
  let isHanging = false;
  const service = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    asked.push(JSON.parse(body));
    if (isHanging) return;
    response.end(JSON.stringify({ route: { dn: '7001' }, record: 'destination', attach: { score: '9' } }));
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const close = () => {
    service.closeAllConnections();
    return new Promise<void>((resolve) => service.close(() => resolve()));
  };
  t.teardown(close);
  const installation = await install();
  t.teardown(() => installation.stop());
  const [caller, agent] = await Promise.all([
    phoneOf(t, installation, '7009'),
    phoneOf(t, installation, '7001'),
  ]);
  await useStrategy(
    installation,
    `
[external]
url = "http://127.0.0.1:${(service.address() as AddressInfo).port}/route"
timeout = 30000
fallback = "anybody"
[[rule]]
name = "ask"
match.to = "7900"
external = true
[[rule]]
name = "anybody"
match.to = "7900"
route.dn = "7001"
`,
  );
  await talk(t, caller, '7900', agent);
  t.match(asked, [{ from: '7009', to: '7900' }]);
  const [row] = await installation.recordings(1);
  t.match(metadataOf(installation, row), {
    attachedData: { score: '9' },
    decision: { reason: /rule "external"/ },
  });
  isHanging = true;
  const waiting = await caller.call('7900');
  await installation.until('the system is asked', async () => asked.length === 2 || undefined);
  await talk(t, caller, '7001', agent);
  await waiting.hangup();
  t.match(await waiting.outcome, { status: 487 }, 'a caller may give up meanwhile');
  await close();
  await talk(t, caller, '7900', agent);
  await installation.logged(/the fallback rule decides/);
  t.equal(asked.length, 2);
});
