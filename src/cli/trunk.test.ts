// `grec trunk`: against a switch with two trunks.
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { serveControl, socketOf } from '../control.ts';
import { emptyState, grec } from './fixtures/state.ts';

const TRUNK = {
  name: 'carrier',
  transport: 'udp',
  hosts: [
    { address: '192.0.2.1', port: 5060, up: true },
    { address: '2001:db8::1', port: 5070, up: false },
  ],
  registration: { registered: true, expiresInS: 3000, status: 200, failures: 0 },
  inbound: ['address', 'registration'],
  numbersIn: ['*'],
  numbersOut: ['*'],
  record: true,
  calls: 2,
};

async function withTrunks(t: Test, trunks: object[]) {
  const state = emptyState(t);
  const config = loadConfig({ file: state.configFile });
  const server = await serveControl(socketOf(config, 'grec-sipd'), { 'GET /trunks': () => ({ trunks }) });
  t.teardown(() => server.close());
  return state;
}

t.test('all that matters of each, on a line', async (t) => {
  const state = await withTrunks(t, [TRUNK, { ...TRUNK, name: 'branch', registration: null, inbound: [] }]);
  const { code, out } = await grec(state, ['trunk']);
  t.equal(code, 0);
  const [, first, second] = out.split('\n');
  t.match(
    first,
    /^carrier +udp:192\.0\.2\.1:5060, udp:\[2001:db8::1\]:5070 \(down\) +for another 50 min +2 +address, registration +yes$/,
  );
  t.match(second, /^branch .* - +2 +none +yes$/);
});

t.test('one that is of no use is told by the exit status', async (t) => {
  const registration = { registered: false, expiresInS: null, status: 403, failures: 3 };
  const refused = await grec(await withTrunks(t, [{ ...TRUNK, registration }]), ['trunk']);
  t.match(refused, { code: 1, out: /no: 403/ });
  const [host] = TRUNK.hosts;
  const dead = await withTrunks(t, [{ ...TRUNK, hosts: [{ ...host, up: false }] }]);
  t.equal((await grec(dead, ['trunk', '--json'])).code, 1);
});

t.test('none at all, and no switch', async (t) => {
  const { code, err } = await grec(await withTrunks(t, []), ['trunk', 'list']);
  t.match({ code, err }, { code: 0, err: /there is no trunk/ });
  t.equal((await grec(emptyState(t), ['trunk'])).code, 4);
});
