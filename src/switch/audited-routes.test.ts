// Changes of DNs and logins are in the audit log before they are made, without a password; when they cannot be, they are not made.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { auditLog } from '../audit/by-daemon.ts';
import { readAudit, verifyAudit } from '../audit/read.ts';
import type { ControlRequest } from '../control.ts';
import { BUILT_IN_DEFAULTS } from '../dn-settings.ts';
import { Agents } from './agents.ts';
import { auditedRoutes } from './audited-routes.ts';
import { dnRoutes } from './dn-routes.ts';
import { DnStore } from './dn-store.ts';

const BY = { user: 'ann', from: 'desk7' };

function site(t: Test, note?: () => Promise<number>) {
  const directory = t.testdir({});
  const store = new DnStore(join(directory, 'switch.db'));
  t.teardown(() => store.close());
  const agents = new Agents(store, () => undefined);
  const routes = dnRoutes({ store, agents, realm: 'grec', defaults: BUILT_IN_DEFAULTS, callsAt: () => 0 });
  const audit = join(directory, 'audit');
  const watched = auditedRoutes(routes, note ?? auditLog(audit));
  const ask = (pattern: string, params: Record<string, string>, body?: unknown) => {
    const request: ControlRequest = { params, body, query: new URLSearchParams(), by: BY };
    return watched[pattern]?.(request);
  };
  return { audit, ask, store };
}

t.test('who set, removed, imported and logged in what; never a password', async (t) => {
  const { audit, ask } = site(t);
  await ask(
    'PUT /dns/:number',
    { number: '7001' },
    { create: true, password: 'geheim', settings: { record: true } },
  );
  await ask('GET /dns', {});
  await ask('PUT /dns', {}, { dns: [{ number: '500', type: 'agent-login' }] });
  await ask('PUT /agents/:agent/login', { agent: '500' }, { dn: '7001' });
  await ask('DELETE /agents/:agent/login', { agent: '500' });
  const wrong = { create: true, settings: { name: { password: 'geheim' }, secret: 'geheim' } };
  await t.rejects(ask('PUT /dns/:number', { number: '7002' }, wrong) as Promise<unknown>, {
    code: 'DN_INVALID',
  });
  await ask('DELETE /dns/:number', { number: '7001' });
  const entries = [];
  for await (const entry of readAudit(audit)) entries.push(entry);
  t.match(entries, [
    { seq: 1, ...BY, what: 'dn', details: { action: 'set', number: '7001', record: true, password: true } },
    { what: 'dn', details: { action: 'import', dns: 1 } },
    { what: 'agent', details: { action: 'login', agent: '500', dn: '7001' } },
    { what: 'agent', details: { action: 'logout', agent: '500' } },
    { what: 'dn', details: { action: 'set', number: '7002' } },
    { what: 'refused', details: { entry: 5, reason: 'DN_INVALID' } },
    { what: 'dn', details: { action: 'remove', number: '7001' } },
  ]);
  t.equal(entries.length, 7);
  t.same((await verifyAudit(audit)).findings, []);
  t.notMatch(readFileSync(join(audit, `${entries[0]?.at.slice(0, 7)}.jsonl`), 'utf8'), 'geheim');
});

t.test('what cannot be noted is not done', async (t) => {
  const { ask, store } = site(t, () => Promise.reject(new Error('no space')));
  await t.rejects(ask('PUT /dns/:number', { number: '7001' }, { create: true }) as Promise<unknown>, {
    message: 'no space',
  });
  t.equal(store.dn('7001'), undefined);
  t.same(await ask('GET /dns', {}), { dns: [] });
});
