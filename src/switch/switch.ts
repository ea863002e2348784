// The SIP Server: what arrives at its user agent becomes registrations and calls.
import { setTimeout } from 'node:timers/promises';
import type { Config, TrunkConfig } from '../config.ts';
import type { DaemonContext, RunningDaemon } from '../daemon.ts';
import type { Logger } from '../log.ts';
import { createNgClient, type NgClient } from '../ng/client.ts';
import {
  createUserAgent,
  type Flow,
  type IncomingInvite,
  type IncomingRequest,
  type UserAgent,
} from '../sip/user-agent.ts';
import { type Journal, openJournal } from '../spool/journal.ts';
import { VERSION } from '../version.ts';
import { Call, type CallContext } from './call.ts';
import { anchoredMedia } from './call-media.ts';
import { planCall } from './call-plan.ts';
import { switchRoutes } from './control-routes.ts';
import { DnStore, type Registration } from './dn-store.ts';
import { Identifier, type Identity, userOf } from './identity.ts';
import { register } from './registrar.ts';
import { hasForeignBody } from './sdp-body.ts';

const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, MESSAGE';

/** How long a stopping switch waits for phones to answer its BYEs. */
const FAREWELL_MS = 3000;

/** The settings that a reload may change. */
interface Settings {
  trunks: readonly TrunkConfig[];
  maxExpires: number;
  ringTimeoutMs: number;
}

export class Switch {
  readonly calls = new Map<string, Call>();
  readonly counters: Record<string, number> = { calls: 0, answered: 0, recorded: 0, recordingsFailed: 0 };
  readonly store: DnStore;
  readonly realm: string;
  readonly #identifier: Identifier;
  readonly #journal: Journal;
  readonly #ng: NgClient;
  readonly #log: Logger;
  /** The connections over which TCP contacts registered, by contact. */
  readonly #flows = new Map<string, Flow>();
  /** Who waits for a call to be gone. */
  readonly #whenGone = new Map<string, () => void>();
  #settings: Settings;
  #userAgent: UserAgent | undefined;
  #isDraining = false;

  constructor(parts: { config: Config; store: DnStore; journal: Journal; ng: NgClient; log: Logger }) {
    this.store = parts.store;
    this.realm = parts.config.sip.realm;
    this.#journal = parts.journal;
    this.#ng = parts.ng;
    this.#log = parts.log;
    this.#settings = settingsOf(parts.config);
    this.#identifier = new Identifier({ store: parts.store, realm: this.realm, now: Date.now });
  }

  async listen(config: Config): Promise<void> {
    this.#userAgent = await createUserAgent({
      listen: config.sip.listen,
      log: this.#log,
      product: `grec/${VERSION}`,
      onInvite: (invite) => this.#onInvite(invite),
      onRequest: (request) => this.#onRequest(request),
    });
  }

  get userAgent(): UserAgent | undefined {
    return this.#userAgent;
  }

  reload(config: Config): void {
    this.#settings = settingsOf(config);
  }

  /** Says of calls that an earlier life left open that they are over, and frees what the media server holds of them. */
  async closeLostCalls(): Promise<void> {
    for (const { call } of this.store.openCalls()) {
      this.#log.warn({ call }, 'the call was up when the switch ended');
      const reason = 'the switch was restarted';
      this.#journal.append({
        type: 'call.released',
        call,
        by: 'switch',
        status: 500,
        reason,
        answered: true,
      });
      this.store.forgetOpenCall(call);
      // Not awaited: a media server that is away must not keep the switch from starting.
      void this.#ng
        .request({ command: 'delete', 'call-id': call, 'from-tag': `${call}-a` })
        .catch(() => undefined);
    }
  }

  /** Ends every call with BYE, then the sockets. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    const open = [...this.calls.values()];
    const gone = open.map((call) => new Promise<void>((resolve) => this.#whenGone.set(call.id, resolve)));
    for (const call of open) call.release('switch', 503, 'the switch is stopping');
    const farewells = Promise.all(open.map((call) => call.farewell));
    await Promise.all([
      ...gone,
      Promise.race([farewells, setTimeout(FAREWELL_MS, undefined, { ref: false })]),
    ]);
    await this.#userAgent?.close();
    this.#journal.append({ type: 'daemon.stopped' });
    await this.#journal.close();
    await this.#ng.close();
    this.store.close();
  }

  #onRequest(request: IncomingRequest): void {
    const { method, headers } = request.message;
    if (method === 'REGISTER') return this.#onRegister(request);
    if (method === 'OPTIONS')
      return request.respond(200, { headers: { allow: ALLOW, accept: 'application/sdp' } });
    this.#count(`refused-${headers.cseq.method}`);
    request.respond(405, { headers: { allow: ALLOW } });
  }

  #onRegister(request: IncomingRequest): void {
    const number = userOf(request.message.headers.to.uri);
    const identity = this.#identifier.authenticate(request.message, number);
    if (identity.kind !== 'dn') return this.#refuse(request, identity);
    register(request, identity.dn.number, {
      store: this.store,
      maxExpires: this.#settings.maxExpires,
      now: Date.now,
    });
    this.#rememberFlow(request);
  }

  #rememberFlow(request: IncomingRequest): void {
    const { contact } = request.message.headers;
    if (request.flow.peer.protocol !== 'tcp' || contact === undefined || contact === '*') return;
    for (const { uri } of contact) this.#flows.set(uri, request.flow);
  }

  #flowOf(registration: Registration): Flow | undefined {
    return registration.protocol === 'tcp' ? this.#flows.get(registration.contact) : undefined;
  }

  #onInvite(invite: IncomingInvite): void {
    const { headers } = invite.message;
    if (this.#isDraining) return invite.respond(503, { headers: { 'retry-after': '10' } });
    if (hasForeignBody(invite.message))
      return invite.respond(415, { headers: { accept: 'application/sdp' } });
    if (headers['max-forwards'] === 0) return invite.respond(483);
    const caller = this.#identifier.identifyCaller(invite, this.#settings.trunks);
    if (caller.kind === 'refused') return this.#refuse(invite, caller);
    const plan = planCall(invite, caller, {
      store: this.store,
      trunks: this.#settings.trunks,
      flowOf: (registration) => this.#flowOf(registration),
      now: Date.now,
    });
    if (plan.kind === 'refused') return invite.respond(plan.status, { reason: plan.reason });
    this.#begin(new Call(invite, plan.plan, this.#context()));
  }

  #begin(call: Call): void {
    this.calls.set(call.id, call);
    this.store.noteOpenCall({ call: call.id, recording: call.recording?.id ?? null });
    this.#count('calls');
    call.begin().catch((thrown: unknown) => {
      this.#log.error({ err: thrown, call: call.id }, 'call could not begin');
      call.release('switch', 500, 'internal error');
    });
  }

  #context(): CallContext {
    const userAgent = this.#userAgent;
    if (userAgent === undefined) throw new Error('a call before the user agent listens');
    return {
      userAgent,
      log: this.#log,
      journal: (event) => {
        if (event.type === 'call.answered') this.#count('answered');
        if (event.type === 'recording.started') this.#count('recorded');
        if (event.type === 'recording.failed') this.#count('recordingsFailed');
        this.#journal.append(event);
      },
      anchor: (call, tags) => anchoredMedia(this.#ng, call, tags),
      ringTimeoutMs: this.#settings.ringTimeoutMs,
      onReleased: (call) => {
        this.calls.delete(call.id);
        this.store.forgetOpenCall(call.id);
        this.#whenGone.get(call.id)?.();
      },
    };
  }

  #refuse(request: IncomingRequest, identity: Identity): void {
    if (identity.kind !== 'refused') return;
    const { status, reason, challenge, counter } = identity;
    this.#count(counter);
    const level = counter === 'auth-challenged' || counter === 'auth-stale' ? 'debug' : 'warn';
    const { method, headers } = request.message;
    this.#log[level](
      { method, from: headers.from.uri, address: request.flow.peer.address, counter },
      'refused',
    );
    request.respond(status, {
      reason,
      headers: challenge === undefined ? {} : { 'www-authenticate': challenge },
    });
  }

  #count(name: string): void {
    this.counters[name] = (this.counters[name] ?? 0) + 1;
  }
}

function settingsOf(config: Config): Settings {
  return {
    trunks: config.trunk,
    maxExpires: config.sip['max-expires'],
    ringTimeoutMs: config.sip['ring-timeout'] * 1000,
  };
}

/** Starts grec-sipd. */
export async function startSwitch({ config, log }: DaemonContext): Promise<RunningDaemon> {
  const journal = await openJournal({ directory: config.paths.journal, daemon: 'grec-sipd', log });
  const store = new DnStore(config.paths.switchDb);
  const { host, port } = config.media.server;
  const ng = await createNgClient({ host, port, timeoutMs: config.media.timeout, log });
  const parts = new Switch({ config, store, journal, ng, log });
  warnOfForeignRealms(store, parts.realm, log);
  try {
    await parts.listen(config);
  } catch (thrown) {
    await Promise.allSettled([journal.close(), ng.close()]);
    store.close();
    throw thrown;
  }
  journal.append({ type: 'daemon.started', version: VERSION, pid: process.pid });
  await parts.closeLostCalls();
  return {
    routes: switchRoutes(parts),
    status: () => statusOf(parts, config),
    reload: (next) => parts.reload(next),
    stop: () => parts.stop(),
  };
}

/** A password's hash holds for one realm only (RFC 7616 section 3.4.2). */
function warnOfForeignRealms(store: DnStore, realm: string, log: Logger): void {
  const foreign = store.dns().filter((dn) => dn.realm !== null && dn.realm !== realm);
  if (foreign.length === 0) return;
  log.warn(
    { dns: foreign.map((dn) => dn.number) },
    `the passwords of ${foreign.length} DNs were set for another [sip] realm: these DNs cannot register until they are set again`,
  );
}

function statusOf(parts: Switch, config: Config): Record<string, unknown> {
  const calls = [...parts.calls.values()];
  return {
    listen:
      parts.userAgent?.listening.map(({ protocol, address, port }) => `${protocol}:${address}:${port}`) ?? [],
    mediaServer: `${config.media.server.host}:${config.media.server.port}`,
    calls: calls.length,
    recording: calls.filter((call) => call.recording?.isRunning).length,
    registrations: parts.store.registeredCount(Date.now()),
    counters: { ...parts.counters, ...prefixed('sip', parts.userAgent?.counters ?? {}) },
  };
}

function prefixed(prefix: string, counters: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [`${prefix}-${name}`, value]));
}
