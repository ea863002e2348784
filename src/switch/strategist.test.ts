// A call that comes, and what the strategy says of it: at once, or when an external one has answered.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { FakeInvite, fakeRequest } from '../testing/fake-user-agent.ts';
import { Strategist } from './strategist.ts';

const DN = { number: '7002', name: null, record: false, ha1: null, realm: null };
const SESSION = 'ab'.repeat(16);

/** A strategist with this strategy; `http://SERVICE/` in it answers `answer`, and keeps what it is asked. */
async function prepare(t: Test, strategy: string, answer: unknown = {}) {
  const asked: Record<string, unknown>[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    asked.push(JSON.parse(body));
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const directory = t.testdir();
  const { port } = server.address() as AddressInfo;
  writeFileSync(join(directory, 'grec.toml'), 'state.directory = "."');
  writeFileSync(join(directory, 'strategy.toml'), strategy.replace('SERVICE', `127.0.0.1:${port}`));
  const strategist = new Strategist(loadConfig({ file: join(directory, 'grec.toml') }), silentLogger());
  t.teardown(() => {
    strategist.close();
    server.closeAllConnections();
    server.close();
  });
  return { strategist, asked };
}

const invite = (headers: Record<string, unknown> = {}) =>
  new FakeInvite(fakeRequest('INVITE', 'offer', { 'session-id': SESSION, ...headers }));
const caller = { kind: 'dn', dn: DN } as const;

t.test('rules decide at once, on headers too', async (t) => {
  const { strategist } = await prepare(
    t,
    '[[rule]]\nname = "r"\nmatch.headers.X-A = "1*"\nrecord = "source"',
  );
  t.match(strategist.rule(invite({ 'x-a': '12' }), caller), {
    sessionId: SESSION,
    decision: { rules: ['r'], record: { word: 'source', rule: 'r' } },
  });
  t.match(strategist.rule(invite(), caller), { decision: { rules: [], route: { kind: 'dialled' } } });
  t.match(strategist.status(), { rules: 1, external: null, problem: null });
});

t.test('without a strategy nothing is said', async (t) => {
  const { strategist } = await prepare(t, '');
  t.match(strategist.rule(invite(), caller), { decision: { rules: [] } });
});

const ASK = `
[external]
url = "http://SERVICE/route"
fallback = "closed"
[[rule]]
name = "ask"
external = true
attach = { queue = "sales" }
[[rule]]
name = "closed"
reject.code = 480
`;

t.test('an external strategy gets the call, without credentials, and its answer decides', async (t) => {
  const answer = { route: { dn: '7009' }, record: 'destination', attach: { score: '7' } };
  const { strategist, asked } = await prepare(t, ASK, answer);
  const ruling = await strategist.rule(
    invite({ 'x-a': '1', authorization: [{ scheme: 'Digest', response: '"secret"' }] }),
    caller,
  );
  t.match(ruling.decision, {
    rules: ['ask', 'external'],
    route: { kind: 'dn', dns: ['7009'] },
    record: { word: 'destination', rule: 'external' },
    attach: { queue: 'sales', score: '7' },
  });
  t.match(asked, [
    {
      sessionId: SESSION,
      from: '7002',
      to: '7001',
      dn: '7002',
      headers: { 'x-a': '1', from: 'sip:7002@127.0.0.1' },
      rules: ['ask'],
      attach: { queue: 'sales' },
      at: /^\d{4}-/,
    },
  ]);
  t.notMatch(JSON.stringify(asked), /secret/);
});

t.test('an answer that is not acceptable: the fallback rule decides, and it is counted', async (t) => {
  for (const answer of [
    { record: 'everything' },
    { route: { trunk: 'none' } },
    [],
    'x',
    { external: true },
  ]) {
    const { strategist } = await prepare(t, ASK, answer);
    const { decision } = await strategist.rule(invite(), caller);
    t.match(decision, { rules: ['ask', 'closed'], route: { kind: 'reject', status: 480 } });
    t.equal(strategist.counters['external-failed'], 1);
  }
});

t.test('an answer that leads back to the external strategy is not acceptable', async (t) => {
  const point = '[[routing-point]]\nnumber = "79"\n[[routing-point.rule]]\nname = "again"\nexternal = true\n';
  const { strategist, asked } = await prepare(t, ASK + point, { route: { 'routing-point': '79' } });
  const { decision } = await strategist.rule(invite(), caller);
  t.same(decision.rules, ['ask', 'closed']);
  t.equal(asked.length, 1);
});
