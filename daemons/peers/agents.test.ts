// Agents, kinds of DN, mandatory recordings and consultation calls with real daemons and phones, and what grec tells of them.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import * as v from 'valibot';
import { metadataSchema } from '../../src/archive/metadata.ts';
import { runCli } from '../../src/cli/cli.ts';
import { silentLogger } from '../../src/log.ts';
import { createPhone, type Phone } from '../../src/testing/phone.ts';
import { type Installation, install } from './installation.ts';
import { Outages } from './outages.ts';

t.jobs = 4;

/** Half a second of G.711, nowhere like silence. */
const SPEECH = Uint8Array.from({ length: 4000 }, (_, index) => (index * 37) % 251);

/** A command line against the installation; what it printed on standard output. */
async function grec({ configFile }: Installation, ...argv: string[]): Promise<string> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const said: Buffer[] = [];
  for (const stream of [out, err]) stream.on('data', (chunk: Buffer) => said.push(chunk));
  const host = { daemonsDirectory: join(import.meta.dirname, '..'), stdout: out, stderr: err };
  const code = await runCli(['--config', configFile, ...argv], host);
  const text = Buffer.concat(said).toString();
  if (code !== 0) throw new Error(`grec ${argv.join(' ')}: ${code}\n${text}`);
  return text;
}

async function phoneOf(t: Test, installation: Installation, number: string): Promise<Phone> {
  await installation.addDn(number, 'secret');
  const registrar = { ...installation.sip, protocol: 'udp' } as const;
  const options = { number, password: 'secret', registrar, listenHost: '127.0.0.1', log: silentLogger() };
  const phone = await createPhone(options);
  t.teardown(() => phone.close());
  t.equal((await phone.register()).status, 200);
  return phone;
}

async function connect(t: Test, caller: Phone, dialled: string, callee: Phone) {
  const [call, taken] = await Promise.all([caller.call(dialled), callee.nextCall()]);
  t.match(await call.outcome, { answered: true, status: 200 }, `${dialled} is answered by ${callee.number}`);
  return { call, taken };
}

async function talk(t: Test, caller: Phone, dialled: string, callee: Phone): Promise<void> {
  const { call, taken } = await connect(t, caller, dialled, callee);
  await Promise.all([call.speak(SPEECH), taken.speak(SPEECH)]);
  await call.hangup();
  await taken.ended;
}

/** What the switch answers to a call of this number. */
async function dial(phone: Phone, number: string) {
  return (await phone.call(number)).outcome;
}

async function prepare(t: Test) {
  const installation = await install();
  const outages = new Outages(installation);
  t.teardown(async () => {
    await outages.end();
    await installation.stop();
  });
  const [one, two, three] = await Promise.all(
    ['7001', '7002', '7003'].map((number) => phoneOf(t, installation, number)),
  );
  if (one === undefined || two === undefined || three === undefined) throw new Error('three phones');
  return { installation, outages, one, two, three };
}

t.test(
  'an agent logs in at a phone, is called and recorded there, also after a crash',
  { timeout: 90_000 },
  async (t) => {
    const { installation, outages, one, two } = await prepare(t);
    const settings = ['record=true', 'recording-filename=$date$ $agentId$ $ani$', 'retention=year'];
    await grec(installation, 'dn', 'add', '2201', '--type', 'agent-login', 'name=Bea', ...settings);
    t.match(await dial(two, '2201'), { status: 480, reason: 'Agent Not Logged In' });
    t.match(await dial(one, '*229'), { status: 403, reason: /^9 is no agent login/ });
    const login = await one.call('*222201');
    t.match(await login.outcome, { answered: true });
    t.match(await login.ended, { by: 'remote' }, 'the switch hangs up');
    t.match(await dial(two, '*222201'), { status: 486, reason: /^agent 2201 is logged in on DN 7001/ });

    await outages.kill('grec-sipd');
    await outages.start('grec-sipd');
    t.match(await grec(installation, 'agent', 'list'), /^2201 +yes +7001 .* Bea$/m);

    await talk(t, two, '2201', one);
    const [row] = await installation.recordings(1);
    const archive = installation.config.paths.archive;
    const metadata = v.parse(
      metadataSchema,
      JSON.parse(readFileSync(join(archive, row?.path ?? '', 'metadata.json'), 'utf8')),
    );
    t.match(metadata, {
      dialedPhoneNumber: '2201',
      recordDn: '7001',
      agentId: '2201',
      retention: 'year',
      fileName: /^20\d\d-\d\d-\d\d 2201 7002-[0-9a-f]{8}$/,
      decision: { reason: 'agent 2201 on DN 7001 has record=true' },
      parties: [
        { role: 'agent', dn: '7001', agentId: '2201' },
        { role: 'customer', dn: '7002' },
      ],
    });
    const out = mkdtempSync(join(tmpdir(), 'grec-export-'));
    t.teardown(() => rmSync(out, { recursive: true }));
    await grec(installation, 'export', 'last', '-o', out);
    t.same(readdirSync(out), [`${metadata.fileName}.wav`]);
    t.match(
      await grec(installation, 'why', metadata.id),
      /record +- +7001 +2201 +destination +agent 2201 on DN 7001 has record=true\n/,
    );

    const logout = await one.call('*23');
    t.match(await logout.outcome, { answered: true });
    await talk(t, two, '7001', one);
    t.match(
      await grec(installation, 'why', 'last'),
      /do not record .* record is not set on DN 7002 nor on DN 7001\n/,
    );
  },
);

t.test(
  'a routing point is ruled by the strategy, and refuses what no rule sends onwards',
  { timeout: 90_000 },
  async (t) => {
    const { installation, one, two } = await prepare(t);
    await grec(installation, 'dn', 'add', '7900', '--type', 'routing-point');
    t.match(await dial(two, '7900'), { status: 480, reason: 'No Rule At Routing Point 7900' });
    t.match(
      await grec(installation, 'why', 'last'),
      /refused +- +7002 .* 480 No Rule At Routing Point 7900: 7002 called 7900\n/,
    );
    writeFileSync(
      join(dirname(installation.configFile), 'strategy.toml'),
      `
[[rule]]
name = "hotline"
match.to = "0800"
route.routing-point = "7900"
[[rule]]
name = "staff"
match = { to = "7900", from = "7002" }
route.dn = "7001"
record = "destination"
`,
    );
    await installation.until('the strategy is in force', async () => {
      const status = await installation.ask<{ strategy: object | null }>('grec-sipd', 'GET', '/status');
      return status.strategy === null ? undefined : true;
    });
    t.match(await dial(one, '0800'), { status: 480 });
    const { call, taken } = await connect(t, two, '0800', one);
    const told = await grec(installation, 'why', 'last');
    t.match(told, /^Call .*, which is up$/m);
    t.match(told, /call +hotline \/ staff +7002 .* 7002 calls 7001, who dialled 0800\n/);
    t.match(told, /record +staff +7001 +- +destination +rule "staff" of the routing strategy/);
    await call.hangup();
    await taken.ended;
  },
);

t.test(
  'a consultation call is recorded unless the DN says otherwise; events mark it',
  { timeout: 90_000 },
  async (t) => {
    const { installation, outages, one, two, three } = await prepare(t);
    await grec(installation, 'dn', 'set', '7001', 'record=true', 'record-consult-calls=false');
    const main = await connect(t, two, '7001', one);
    t.equal(await main.taken.hold(), 200);
    // In another life of the switch, which goes on with the first call.
    await outages.kill('grec-sipd');
    await outages.start('grec-sipd');
    t.match(await grec(installation, 'why', 'last'), / restored +- .* goes on with it\n/);
    const consulting = await connect(t, one, '7003', three);
    const told = await grec(installation, 'why', 'last');
    t.match(told, /consultation +- +7001/);
    t.match(
      told,
      /do not record .* a consultation call: DN 7001 has record=true, but record-consult-calls=false\n/,
    );
    await consulting.call.hangup();
    await main.call.hangup();
    await Promise.all([consulting.taken.ended, main.taken.ended]);
    const alone = await connect(t, one, '7003', three);
    t.match(
      await grec(installation, 'why', 'last'),
      /^20.* record +- +7001/m,
      'without another call it is none',
    );
    await alone.call.hangup();
    await alone.taken.ended;
  },
);

t.test('no recording, no call', { timeout: 90_000 }, async (t) => {
  const { installation, outages, one, two, three } = await prepare(t);
  await grec(installation, 'dn', 'set', '7001', 'record=true', 'mandatory=true');
  await grec(installation, 'dn', 'set', '7003', 'record=true');
  await talk(t, two, '7001', one);
  await installation.recordings(1);
  await outages.kill('grec-mediad');
  t.match(await dial(two, '7001'), { status: 503, reason: 'recording is mandatory and cannot be made' });
  t.match(
    await grec(installation, 'why', 'last'),
    /record, mandatory [\s\S]* failed [\s\S]* released .* 503 recording is mandatory/,
  );
  const { call, taken } = await connect(t, two, '7003', three);
  await call.hangup();
  await taken.ended;
  const rows = await installation.recordings(3);
  t.same(rows.map(({ state }) => state).sort(), ['complete', 'failed', 'failed'], 'each loss is told');
});
