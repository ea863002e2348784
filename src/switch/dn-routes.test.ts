// The control socket's door to DNs and agents: what is not acceptable is named, and changes nothing.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BUILT_IN_DEFAULTS } from '../dn-settings.ts';
import { Agents } from './agents.ts';
import { dnRoutes } from './dn-routes.ts';
import { DnStore } from './dn-store.ts';

function prepare(t: Test) {
  const store = new DnStore(join(t.testdir(), 'switch.db'));
  t.teardown(() => store.close());
  const agents = new Agents(store, () => undefined);
  const defaults = { ...BUILT_IN_DEFAULTS, record: true };
  const routes = dnRoutes({ store, agents, realm: 'grec', defaults, callsAt: () => 2 });
  const ask = async (route: string, body: unknown, params: Record<string, string> = {}) =>
    routes[route]?.({ params, query: new URLSearchParams(), body } as Parameters<(typeof routes)[string]>[0]);
  return { store, ask };
}

t.test('a DN is shown with what holds for it, and with what is said of it', async (t) => {
  const { ask } = prepare(t);
  const made = await ask('PUT /dns/:number', { create: true, password: 'secret' }, { number: '7001' });
  t.match(made, { created: true, changed: true, dn: { record: true, settings: { record: null }, calls: 2 } });
  t.notMatch(JSON.stringify(made), /secret|ha1/);
  t.match(await ask('PUT /dns/:number', { password: 'secret' }, { number: '7001' }), { changed: false });
  t.match(await ask('PUT /dns/:number', { settings: { record: false } }, { number: '7001' }), {
    changed: true,
    dn: { record: false, settings: { record: false } },
  });
});

t.test('bodies that are not acceptable', async (t) => {
  const { store, ask } = prepare(t);
  const create = true;
  for (const [body, said] of [
    [{ create, settings: { record: 'yes' } }, /settings\.record \(expected true or false\)/],
    [
      { create, settings: { 'recording-filename': '../x' } },
      /settings\.recording-filename \(expected a name/,
    ],
    [{ create, settings: { colour: 1 } }, /settings\.colour \(unknown\)/],
    [{ create, type: 'trunk' }, /type/],
    [{ create, password: '' }, /password/],
    [[1], /0 \(unknown\)/],
    ['7001', /the body/],
  ] as const) {
    const refused = { code: 'DN_INVALID', message: said } as const;
    await t.rejects(ask('PUT /dns/:number', body, { number: '7001' }), refused, JSON.stringify(body));
  }
  for (const body of [undefined, {}, { dns: 1 }, { dns: [{}] }, { dns: [{ number: 'a b' }] }])
    await t.rejects(ask('PUT /dns', body), { code: 'DN_INVALID' }, JSON.stringify(body));
  t.same(store.dns(), []);
});

t.test('an import with one mistake changes nothing', async (t) => {
  const { store, ask } = prepare(t);
  const dns = [{ number: '7001' }, { number: '7900', type: 'routing-point', settings: { mandatory: true } }];
  await t.rejects(ask('PUT /dns', { dns }), {
    code: 'DN_INVALID',
    message: /7900 cannot be a routing-point/,
  });
  t.same(store.dns(), []);
});

t.test('logins that are not acceptable', async (t) => {
  const { ask } = prepare(t);
  for (const body of [undefined, {}, { dn: 7001 }, { dn: '7001', force: 'yes' }, { dn: '7001', by: 'x' }])
    await t.rejects(ask('PUT /agents/:agent/login', body, { agent: '2201' }), { code: 'DN_INVALID' });
  await t.rejects(ask('PUT /agents/:agent/login', { dn: '7001' }, { agent: '2201' }), { code: 'DN_UNKNOWN' });
  await t.rejects(ask('DELETE /agents/:agent/login', undefined, { agent: '2201' }), { code: 'DN_UNKNOWN' });
});
