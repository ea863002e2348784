// sipp over TLS, which socat speaks for it: a DN's phone is called and calls, both ends on TLS, and each call is recorded exactly.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { freePort, install, readChannels } from './installation.ts';
import { noise } from './noise.ts';
import { noSipp, runSipp, type SippOptions, type SippResult } from './sipp.ts';
import { noSocat, type Place, tlsClient, tlsServer } from './socat.ts';

const [TRUNK, DESK] = ['127.0.9.1', '127.0.9.2'] as const;
const carrier = { host: TRUNK, port: await freePort(TRUNK) };
const installation = await install({
  tls: true,
  toml: `[[trunk]]
name = "carrier"
host = "${TRUNK}"
port = ${carrier.port}
transport = "tls"`,
});
t.teardown(() => installation.stop());
const { authority } = installation.tls;
const directory = mkdtempSync(join(tmpdir(), 'grec-sipp-tls-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

const sent = { caller: noise('caller'), callee: noise('callee') };
const files = { caller: join(directory, 'caller.ulaw'), callee: join(directory, 'callee.ulaw') };
writeFileSync(files.caller, sent.caller);
writeFileSync(files.callee, sent.callee);

/** A sipp at `host` that calls, or registers, by TLS. */
async function calls(
  t: Test,
  host: string,
  options: Pick<SippOptions, 'scenario' | 'words' | 'authUri'>,
  as?: Place,
) {
  const [door, port] = [{ host, port: await freePort(host) }, await freePort(host)];
  const socat = await tlsClient(
    door,
    { host: installation.sip.host, port: installation.tls.port },
    authority,
  );
  t.teardown(() => socat.stop());
  return run({ ...options, local: { host, port }, remote: door, tlsAt: as ?? { host, port } }).result;
}

/** One that is called by TLS at this place, and answers. */
async function isCalled(t: Test, at: Place): Promise<Promise<SippResult>[]> {
  const local = { host: at.host, port: await freePort(at.host) };
  const socat = await tlsServer(at, local, authority);
  t.teardown(() => socat.stop());
  const words = { audio: files.callee };
  return [run({ scenario: 'uas', local, remote: installation.sip, tlsAt: at, words }).result];
}

const run = (options: Omit<SippOptions, 'calls'>) =>
  runSipp({ ...options, calls: 1, transport: 'tcp', timeoutS: 30 });

async function well(t: Test, ...results: Promise<SippResult>[]): Promise<void> {
  for (const { code, errors } of await Promise.all(results)) t.equal(code, 0, errors.slice(0, 2000));
}

/** The DN's recording holds what both have sent. */
async function recorded(t: Test, dn: string, agent: Buffer, customer: Buffer): Promise<void> {
  const { path, state } = await installation.until(`${dn} is recorded`, async () =>
    (await installation.recordings(0)).find((row) => row.dn === dn),
  );
  t.equal(state, 'complete');
  const [left, right] = readChannels(join(installation.config.paths.archive, path ?? '', 'audio.wav'));
  t.match(findAudio(left, toLinear(agent)), { exact: true });
  t.match(findAudio(right, toLinear(customer)), { exact: true });
}

const options = { skip: noSipp || noSocat, timeout: 60_000 };
const words = { caller: '+4930123', audio: files.caller, ms: '1500', password: 'secret' };

t.test('a call from a trunk to a phone', options, async (t) => {
  const desk = { host: DESK, port: await freePort(DESK) };
  await installation.addDn('7001', 'secret', { record: true });
  const called = await isCalled(t, desk);
  await well(t, calls(t, DESK, { scenario: 'register', words: { ...words, number: '7001' } }, desk));
  const { registrations } = await installation.ask<{ registrations: { contact: string }[] }>(
    'grec-sipd',
    'GET',
    '/dns/7001',
  );
  t.match(registrations, [{ contact: `sip:7001@${desk.host}:${desk.port};transport=tls` }]);
  await well(t, calls(t, TRUNK, { scenario: 'uac', words: { ...words, number: '7001' } }), ...called);
  await recorded(t, '7001', sent.callee, sent.caller);
});

t.test('a call from a phone to a trunk', options, async (t) => {
  await installation.addDn('7002', 'secret', { record: true });
  const called = await isCalled(t, carrier);
  const [scenario, authUri] = ['uac-desk', `+4930@${DESK}`];
  await well(
    t,
    calls(t, DESK, { scenario, authUri, words: { ...words, caller: '7002', number: '+4930' } }),
    ...called,
  );
  await recorded(t, '7002', sent.caller, sent.callee);
});
