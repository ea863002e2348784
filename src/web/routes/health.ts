// Whether Web Services live, and whether what they stand on is there; who asks, and the document of all routes.
import * as v from 'valibot';
import { ROLES } from '../access/rights.ts';
import { problem } from '../problem.ts';
import { type Answer, ok, type Route, refuse, route } from '../route.ts';
import { sparingly } from '../sparingly.ts';
import type { Web } from '../web.ts';

const PATIENCE_MS = 2_000;
const state = v.picklist(['ok', 'unavailable']);
const readySchema = v.strictObject({ status: state, catalog: state, switch: state, processor: state });
const meSchema = v.strictObject({
  user: v.string(),
  role: v.nullable(v.picklist(ROLES)),
  rights: v.array(v.string()),
  dns: v.array(v.string()),
});

export function healthRoutes(web: Web): Route[] {
  const ready = sparingly(() => lookAt(web));
  return [
    route({
      method: 'GET',
      path: '/health',
      summary: 'Whether Web Services live',
      needs: 'anyone',
      answers: { 200: { what: 'They do.', schema: v.strictObject({ status: v.literal('ok') }) } },
      handle: () => ok({ status: 'ok' }),
    }),
    route({
      method: 'GET',
      path: '/ready',
      summary: 'Whether all parts that requests need are there',
      needs: 'anyone',
      answers: { 200: { what: 'They are.', schema: readySchema }, 503: { what: 'Some are not.' } },
      handle: ready,
    }),
    route({
      method: 'GET',
      path: '/me',
      summary: 'Who asks, and what they may',
      needs: 'known',
      answers: { 200: { what: 'The user.', schema: meSchema } },
      handle: ({ who: { user, role, rights, own } }) =>
        ok({ user, role, rights: [...rights], dns: [...own] }),
    }),
  ];
}

async function lookAt(web: Web): Promise<Answer> {
  const by = { user: 'grec-webd', from: 'health' };
  const answers = (daemon: 'grec-sipd' | 'grec-procd') =>
    web.ask(daemon, { method: 'GET', path: '/status', by, timeoutMs: PATIENCE_MS });
  const [catalog, ofSwitch, processor] = await Promise.all([
    stateOf(async () => web.catalog().count()),
    stateOf(() => answers('grec-sipd')),
    stateOf(() => answers('grec-procd')),
  ]);
  const missing = Object.entries({ catalog, switch: ofSwitch, processor }).filter(([, one]) => one !== 'ok');
  if (missing.length === 0) return ok({ status: 'ok', catalog, switch: ofSwitch, processor });
  const names = missing.map(([name]) => name).join(', ');
  return refuse(problem(503, 'not-ready', `not there: ${names}`), { 'retry-after': '5' });
}

async function stateOf(work: () => Promise<unknown>): Promise<'ok' | 'unavailable'> {
  try {
    await work();
    return 'ok';
  } catch {
    return 'unavailable';
  }
}
