// Every route as every role, and as nobody; and the document that tells of them.

import { mkdirSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import t, { type Test } from 'tap';
import { RIGHTS_OF, type Right, type Role } from './access/rights.ts';
import { requireDocumented } from './documented-fixture.ts';
import { openApiOf } from './openapi.ts';
import { archiveAll, MINE, MY_CALL, withProcessor, withSwitch } from './recordings-fixture.ts';
import type { Route } from './route.ts';
import { allRoutes } from './routes/all.ts';
import { type Name, services, type Verb } from './web-fixture.ts';

const ROLES: Record<Name, Role> = { ann: 'agent', sue: 'supervisor', root: 'admin', otto: 'auditor' };

/** A request of each route that is as it has to be. */
const BODIES: Record<string, unknown> = {
  'POST /recordings/:id': { operationName: 'applyNonDelete', reason: 'a reason' },
  'POST /recordings/:id/labels': { add: ['x'] },
  'POST /recordings/:id/comments': { text: 'words' },
  'POST /me/calls/:id': { operationName: 'PauseCallRecording' },
  'POST /calls/:id': { operationName: 'PauseCallRecording' },
  'PUT /dns/:number/settings': { record: true },
};

/** With recordings, and all that Web Services ask. */
function whole(t: Test) {
  return services(t, {
    toml: 'rate = 100000',
    prepare: async (config) => {
      mkdirSync(config.paths.run, { recursive: true });
      await archiveAll(config);
      await withProcessor(t, config);
      await withSwitch(t, config);
    },
  });
}

function pathOf({ path }: Route): string {
  const id = path.includes('calls') ? MY_CALL : MINE;
  return path.replace(':id', id).replace(':file', 'audio.wav').replace(':number', '7001');
}

t.test('every route as every role, and as nobody', async (t) => {
  const { ask, web } = await whole(t);
  const routes = allRoutes(web);
  t.ok(routes.length >= 20);
  for (const route of routes) {
    const { method, path, needs } = route;
    const body = BODIES[`${method} ${path}`];
    t.equal(body !== undefined, route.body !== undefined, `${method} ${path} has a request here`);
    const request = async (who: Name | null) => (await ask(who, method, pathOf(route), { body })).status;
    t.equal(await request(null), needs === 'anyone' ? 200 : 401, `${method} ${path} as nobody`);
    for (const [who, role] of Object.entries(ROLES) as [Name, Role][]) {
      const may = needs === 'anyone' || needs === 'known' || RIGHTS_OF[role].includes(needs as Right);
      const status = await request(who);
      // Root has no calls of their own, and what is under hold already is a conflict.
      const reached = path === '/me/calls/:id' && who !== 'ann' ? [404] : [200, 409];
      t.ok(may ? reached.includes(status) : status === 403, `${method} ${path} as ${role}: ${status}`);
    }
  }
});

t.test('nonsense in any part of any route is refused as the document says', async (t) => {
  const { ask, web } = await whole(t);
  const nonsense = [
    '..%2f..%2fetc',
    '%00',
    '%F0%9F%92%A9',
    "1'--",
    '0'.repeat(99),
    '-1',
    'NaN',
    '__proto__',
    '%7B%7D',
  ];
  let count = 0;
  for (const route of allRoutes(web))
    for (const word of nonsense) {
      const path = route.path.replaceAll(/:\w+/g, word);
      const texts = [
        '',
        '[]',
        'null',
        '{"__proto__":{"a":1}}',
        '{"constructor":1}',
        '['.repeat(5000),
        `{"a":"${'x'.repeat(99)}`,
        '{"add":[{}]}',
        '"\u00e4"',
      ];
      for (const text of route.body === undefined ? [undefined] : texts) {
        const query =
          route.query === undefined ? `?${word}=1` : `?limit=${word}&cursor=${word}&startTime=${word}`;
        for (const end of ['', query]) {
          const more = text === undefined ? {} : { text };
          const { status } = await ask('root', route.method as Verb, `${path}${end}`, more);
          count += 1;
          t.ok(
            [200, 400, 403, 404].includes(status),
            `${route.method} ${path}${end} ${text?.slice(0, 30)}: ${status}`,
          );
        }
      }
    }
  t.ok(count > 1000, `${count} requests`);
});

t.test('a body has its limits', async (t) => {
  const { ask, server, token } = await services(t);
  const path = `/recordings/${MINE}/comments`;
  const large = await ask('sue', 'POST', path, { text: JSON.stringify({ text: 'x'.repeat(70_000) }) });
  t.equal(large.status, 413);
  const form = await ask('sue', 'POST', path, {
    text: 'text=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  t.equal(form.status, 415);
  const answer = await server.app.inject({
    method: 'POST',
    url: `/api/v2${path}`,
    headers: { authorization: `Bearer ${token.sue}`, 'content-type': 'application/json' },
    payload: Buffer.from([0x22, 0xff, 0xfe, 0x22]),
  });
  t.match(answer.json(), { status: 400, detail: /UTF-8/ });
});

t.test('the document is served, is of this version of JSON Schema, and names each thing once', async (t) => {
  const { ask, web } = await services(t);
  const { status, body } = await ask(null, 'GET', '/openapi.json');
  t.equal(status, 200);
  t.same(body, JSON.parse(JSON.stringify(openApiOf(allRoutes(web)))));
  const ids = [...JSON.stringify(body).matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
  t.equal(new Set(ids).size, allRoutes(web).length);
  const ajv = new Ajv2020({ strict: false });
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, part] of Object.entries(value))
      if (key === 'schema' && typeof part === 'object' && part !== null && !('$ref' in part))
        t.ok(ajv.validateSchema(part));
      else visit(part);
  };
  visit(body);
});

t.test('an answer that is not as documented is found', async (t) => {
  const { web } = await services(t);
  const document = openApiOf(allRoutes(web));
  const headers = { 'content-type': 'application/json' };
  const answered = (status: number, body: unknown) => ({ status, headers, body, bytes: Buffer.from('x') });
  t.doesNotThrow(() => requireDocumented(document, 'GET', '/health', answered(200, { status: 'ok' })));
  t.throws(
    () => requireDocumented(document, 'GET', '/health', answered(200, { status: 'ok', more: 1 })),
    /additional/,
  );
  t.throws(() => requireDocumented(document, 'GET', '/health', answered(200, {})), /required/);
  t.throws(() => requireDocumented(document, 'GET', '/health', answered(418, {})), /not documented/);
});
