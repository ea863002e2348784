// What the switch answers on its control socket of DNs and of agents.
import * as v from 'valibot';
import type { ControlRoutes } from '../control.ts';
import { SETTING_NAMES } from '../dn-settings.ts';
import { GrecError } from '../errors.ts';
import { hostOf } from '../sip/compose.ts';
import { DIGEST_ALGORITHMS, ha1 } from '../sip/digest.ts';
import type { Agents } from './agents.ts';
import {
  changedDn,
  checkNumber,
  type DescribedDn,
  type Dn,
  describedDn,
  readDnChange,
  readDnImport,
  typeOf,
} from './dn.ts';
import { policyOf } from './dn-policy.ts';
import type { DnStore, Registration } from './dn-store.ts';
import type { RouteOptions } from './route.ts';

/** What the routes work on. */
export interface Directory {
  readonly store: DnStore;
  readonly agents: Agents;
  readonly realm: string;
  /** As of the last reload. */
  readonly defaults: RouteOptions['defaults'];
  /** Who knows which contacts are there. */
  readonly contacts?: { isReachable(registration: Registration): boolean | undefined };
  /** Calls under way at a DN. */
  callsAt(number: string): number;
}

export function dnRoutes(directory: Directory): ControlRoutes {
  const { store, agents } = directory;
  return {
    'GET /dns': () => ({ dns: store.dns().map((dn) => showDn(directory, dn)) }),
    'PUT /dns': ({ body }) => importDns(directory, readDnImport(body)),
    'GET /dns/:number': ({ params }) => showDn(directory, known(store, params['number'] ?? '')),
    'PUT /dns/:number': ({ params, body }) => putDn(directory, params['number'] ?? '', body),
    'DELETE /dns/:number': ({ params }) => removeDn(directory, params['number'] ?? ''),
    'GET /agents': () => ({
      agents: store
        .dns()
        .filter(isAgent)
        .map((dn) => showAgent(store, dn)),
    }),
    'PUT /agents/:agent/login': ({ params, body }) => {
      const { dn, force } = readLogin(body);
      return agents.logIn({ agent: params['agent'] ?? '', dn, force, by: 'control' });
    },
    'DELETE /agents/:agent/login': ({ params }) => {
      const agent = params['agent'] ?? '';
      agents.known(agent);
      return { login: agents.logOut(agent, 'logged out by the operator') ?? null };
    },
  };
}

const loginSchema = v.strictObject({ dn: v.string(), force: v.optional(v.boolean(), false) });

function readLogin(body: unknown): v.InferOutput<typeof loginSchema> {
  const result = v.safeParse(loginSchema, body);
  if (result.success) return result.output;
  throw new GrecError('DN_INVALID', 'a login names the DN: {"dn": "7001", "force": false}');
}

function known(store: DnStore, number: string): Dn {
  const dn = store.dn(number);
  if (dn !== undefined) return dn;
  throw new GrecError('DN_UNKNOWN', `there is no DN ${number}`, {
    hint: '`grec dn list` shows the DNs there are',
  });
}

/** Creates or changes a DN. Doing it again changes nothing, so scripts may repeat it. */
function putDn(directory: Directory, number: string, body: unknown) {
  const { store } = directory;
  const change = readDnChange(body);
  const existing = store.dn(checkNumber(number));
  if (existing === undefined && !change.create) known(store, number);
  const after = changedDn(existing, number, change, secretOf(directory, number, change.password));
  const changed = !isSame(existing, after);
  if (changed) save(directory, [{ before: existing, after }]);
  return { dn: showDn(directory, after), created: existing === undefined, changed };
}

/** Makes every DN what its description says; those that are not described stay. All of it, or nothing. */
function importDns(directory: Directory, described: readonly DescribedDn[]) {
  const steps = described.map((one) => {
    const before = directory.store.dn(one.number);
    return { before, after: describedDn(before, one, secretOf(directory, one.number, one.password)) };
  });
  const changes = steps.filter(({ before, after }) => !isSame(before, after));
  save(directory, changes);
  const created = changes.filter(({ before }) => before === undefined).length;
  const changed = changes.length - created;
  return { created, changed, unchanged: described.length - changes.length };
}

interface Step {
  before: Dn | undefined;
  after: Dn;
}

function save({ store, agents }: Directory, steps: readonly Step[]): void {
  store.saveDns(steps.map(({ after }) => after));
  for (const { before, after } of steps)
    if (before !== undefined && typeOf(before) !== typeOf(after))
      agents.clear(after.number, `${after.number} became another kind of DN`);
}

function isSame(before: Dn | undefined, after: Dn): boolean {
  if (before === undefined) return false;
  const keys = ['number', 'name', 'ha1', 'ha1Sha256', 'realm', ...SETTING_NAMES] as const;
  return typeOf(before) === typeOf(after) && keys.every((key) => before[key] === after[key]);
}

function secretOf({ realm }: Directory, number: string, password: string | undefined) {
  if (password === undefined) return undefined;
  const ha1Sha256 = ha1(number, realm, password, 'SHA-256');
  return { ha1: ha1(number, realm, password), ha1Sha256, realm };
}

function removeDn({ store, agents }: Directory, number: string) {
  agents.clear(number, `${number} was removed`);
  return { removed: store.removeDn(number) };
}

function isAgent(dn: Dn): boolean {
  return typeOf(dn) === 'agent-login';
}

/** `settings`: what is said of the DN itself. The values beside it: what holds for its next call. */
function showDn(directory: Directory, dn: Dn) {
  const { store } = directory;
  const { number, name } = dn;
  const now = Date.now();
  const login = store.logins.at(number);
  const policy = policyOf(dn, login && store.dn(login.agent), directory.defaults);
  const registrations = store
    .registrations(number, now)
    .map((registration) => showRegistration(directory, registration, now));
  return {
    number,
    type: typeOf(dn),
    name,
    record: policy.record,
    'record-consult-calls': policy['record-consult-calls'],
    mandatory: policy.mandatory,
    'recording-filename': policy['recording-filename'] ?? null,
    retention: policy.retention ?? null,
    anchor: policy.anchor,
    srtp: policy.srtp,
    settings: Object.fromEntries(SETTING_NAMES.map((setting) => [setting, dn[setting] ?? null])),
    agent: login?.agent ?? null,
    loggedInOn: store.logins.ofAgent(number)?.dn ?? null,
    hasPassword: dn.ha1 !== null,
    digest: DIGEST_ALGORITHMS.filter((one) => store.ha1(number, one, directory.realm) !== undefined),
    registrations,
    calls: directory.callsAt(number),
  };
}

function showRegistration({ contacts }: Directory, registration: Registration, now: number) {
  const { contact, protocol, address, port, expiresAt, userAgent, path = null } = registration;
  return {
    contact,
    transport: protocol,
    address: `${hostOf(address)}:${port}`,
    expiresInS: Math.round((expiresAt - now) / 1000),
    /** Null when it has not been asked. */
    reachable: contacts?.isReachable(registration) ?? null,
    userAgent,
    path,
  };
}

function showAgent(store: DnStore, { number, name, record }: Dn) {
  const login = store.logins.ofAgent(number);
  return {
    agent: number,
    name,
    record: record ?? null,
    dn: login?.dn ?? null,
    since: login === undefined ? null : new Date(login.since).toISOString(),
  };
}
