// The SIP Server: what arrives at its user agent becomes registrations and calls.
import { setTimeout } from 'node:timers/promises';
import type { Config, TrunkConfig } from '../config.ts';
import type { DaemonContext, RunningDaemon } from '../daemon.ts';
import type { Logger } from '../log.ts';
import { createNgClient } from '../ng/client.ts';
import { hostOf, KNOWN_METHODS } from '../sip/compose.ts';
import type { SipRequest } from '../sip/message.ts';
import {
  createUserAgent,
  type Flow,
  type IncomingInvite,
  type IncomingRequest,
  type Refusal,
  type UserAgent,
} from '../sip/user-agent.ts';
import { type Journal, openJournal } from '../spool/journal.ts';
import { VERSION } from '../version.ts';
import { Call, type CallContext } from './call.ts';
import { planCall, type Ruling } from './call-plan.ts';
import { Certificate } from './certificate.ts';
import { switchRoutes } from './control-routes.ts';
import { DnStore } from './dn-store.ts';
import { Identifier, type Identity, userOf } from './identity.ts';
import { LiveEvents } from './live-events.ts';
import { type RescueContext, rescueCalls, resumeInterrupted } from './media-rescue.ts';
import { type MediaServer, MediaServers, type MediaServersOptions } from './media-servers.ts';
import type { Feature } from './phone-requests.ts';
import { RegisteredFlows } from './registered-flows.ts';
import { register } from './registrar.ts';
import { hasForeignBody } from './sdp-body.ts';
import { Sparingly } from './sparingly.ts';
import { Strategist } from './strategist.ts';

const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, MESSAGE';

/** Calls at once: far beyond what one machine relays; each costs some 20 kB here. */
const MOST_CALLS = 5000;
/** A call whose party has vanished ends within this and the half minute that its silence takes. */
const PROBE_MS = 90_000;
/** A flood of refused requests must not become a flood of log lines. */
const LINES_PER_SECOND = 5;
/** Characters of what a stranger wrote. */
const LONGEST_LOGGED = 200;

type Caller = Exclude<Identity, { kind: 'refused' }>;
type Refused = Extract<Identity, { kind: 'refused' }>;

/** How long a stopping switch waits for phones to answer its BYEs. */
const FAREWELL_MS = 3000;

/** The settings that a reload may change. */
interface Settings {
  trunks: readonly TrunkConfig[];
  maxExpires: number;
  ringTimeoutMs: number;
  featureCodes: ReadonlyMap<string, Feature>;
}

export class Switch {
  readonly calls = new Map<string, Call>();
  readonly counters: Record<string, number> = { calls: 0, answered: 0, recorded: 0, recordingsFailed: 0 };
  readonly store: DnStore;
  readonly realm: string;
  readonly strategist: Strategist;
  readonly events = new LiveEvents();
  readonly certificate: Certificate;
  readonly #identifier: Identifier;
  readonly #journal: Journal;
  readonly mediaServers: MediaServers;
  readonly #log: Logger;
  readonly #flows = new RegisteredFlows();
  /** Who sent a request that was admitted. */
  readonly #identities = new WeakMap<SipRequest, Caller>();
  readonly #refusals = new Sparingly(LINES_PER_SECOND);
  readonly #alarms = new Sparingly(1);
  /** Who waits for a call to be gone. */
  readonly #whenGone = new Map<string, () => void>();
  readonly #rescue: RescueContext = {
    isLost: ({ media }) => this.mediaServers.isLost(media),
    isServed: () => this.mediaServers.living !== undefined,
  };
  #settings: Settings;
  #userAgent: UserAgent | undefined;
  #isDraining = false;

  constructor(parts: {
    config: Config;
    store: DnStore;
    strategist: Strategist;
    certificate: Certificate;
    journal: Journal;
    clients: MediaServersOptions['clients'];
    log: Logger;
  }) {
    this.store = parts.store;
    this.strategist = parts.strategist;
    this.certificate = parts.certificate;
    this.realm = parts.config.sip.realm;
    this.#journal = parts.journal;
    this.mediaServers = new MediaServers({
      clients: parts.clients,
      log: parts.log,
      onLost: (server, reason) => this.#onMediaServerLost(server, reason),
      onFound: () => void resumeInterrupted(this.calls.values(), this.#rescue),
    });
    this.#log = parts.log;
    this.#settings = settingsOf(parts.config);
    this.#identifier = new Identifier({ store: parts.store, realm: this.realm, now: Date.now });
  }

  async listen(config: Config): Promise<void> {
    this.#userAgent = await createUserAgent({
      listen: config.sip.listen,
      tls: this.certificate.identity,
      log: this.#log,
      product: `grec/${VERSION}`,
      admit: (request, flow) => this.#admit(request, flow),
      onInvite: (invite) => this.#onInvite(invite),
      onRequest: (request) => this.#onRegister(request),
      mayAlias: ({ peer }) => this.#settings.trunks.some(({ host }) => host === peer.address),
      successorOf: (flow, uri) => this.#flows.successorOf(flow, userOf(uri) ?? ''),
    });
  }

  get userAgent(): UserAgent | undefined {
    return this.#userAgent;
  }

  reload(config: Config): void {
    this.#settings = settingsOf(config);
    this.strategist.reload(config);
    if (this.#userAgent !== undefined) this.certificate.reload(config, this.#userAgent);
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
      this.mediaServers.forget(call);
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
    await this.mediaServers.close();
    this.store.close();
    this.strategist.close();
    this.certificate.close();
  }

  /** Only registrations and calls of who is known are worth a transaction. */
  #admit(request: SipRequest, flow: Flow): Refusal | undefined {
    const { method } = request;
    if (method === 'OPTIONS') return { status: 200, headers: { allow: ALLOW, accept: 'application/sdp' } };
    if (method !== 'INVITE' && method !== 'REGISTER') return this.#refuseMethod(method);
    const identity =
      method === 'INVITE'
        ? this.#identifier.identifyCaller({ message: request, flow }, this.#settings.trunks)
        : this.#identifier.authenticate(request, userOf(request.headers.to.uri));
    if (identity.kind === 'refused') return this.#refuse(request, flow, identity);
    this.#identities.set(request, identity);
    return undefined;
  }

  /** Strangers make up methods: only known ones are counted by name. */
  #refuseMethod(method: string): Refusal {
    this.#count(`refused-${KNOWN_METHODS.has(method) ? method : 'other'}`);
    return { status: 405, headers: { allow: ALLOW } };
  }

  #onRegister(request: IncomingRequest): void {
    const identity = this.#identities.get(request.message);
    if (identity?.kind !== 'dn') return request.respond(403);
    const { number } = identity.dn;
    const { maxExpires } = this.#settings;
    register(request, number, { store: this.store, maxExpires, now: Date.now });
    this.#flows.note(number, request, this.store.registrations(number, Date.now()));
  }

  #onInvite(invite: IncomingInvite): void {
    const { headers } = invite.message;
    if (this.#isDraining) return invite.respond(503, { headers: { 'retry-after': '10' } });
    if (hasForeignBody(invite.message))
      return invite.respond(415, { headers: { accept: 'application/sdp' } });
    if (headers['max-forwards'] === 0) return invite.respond(483);
    if (this.calls.size >= MOST_CALLS) return this.#refuseBusy(invite);
    const caller = this.#identities.get(invite.message);
    if (caller === undefined) return invite.respond(403);
    const ruling = this.strategist.rule(invite, caller);
    if (ruling instanceof Promise) void this.#placeLater(invite, caller, ruling);
    else this.#place(invite, caller, ruling);
  }

  /** An external strategy decides: others' calls go on, and the caller may give up. */
  async #placeLater(invite: IncomingInvite, caller: Caller, ruling: Promise<Ruling>): Promise<void> {
    let isCancelled = false;
    invite.onCancel = () => {
      isCancelled = true;
    };
    try {
      const decided = await ruling;
      if (isCancelled) return;
      if (this.#isDraining) return invite.respond(503, { headers: { 'retry-after': '10' } });
      this.#place(invite, caller, decided);
    } catch (thrown) {
      this.#log.error({ err: thrown }, 'call could not be placed');
      invite.respond(500);
    }
  }

  #place(invite: IncomingInvite, caller: Caller, ruling: Ruling): void {
    const options = {
      store: this.store,
      trunks: this.#settings.trunks,
      flowOf: this.#flows.of.bind(this.#flows),
      now: Date.now,
    };
    const plan = planCall(invite, caller, options, ruling);
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
        this.events.tell(this.#journal.append(event));
      },
      anchor: (call, legs) => this.mediaServers.anchor(call, legs),
      ringTimeoutMs: this.#settings.ringTimeoutMs,
      featureCodes: this.#settings.featureCodes,
      probeMs: PROBE_MS,
      glareDelay: () => setTimeout(2100 + 1900 * Math.random(), undefined, { ref: false }),
      onReleased: (call) => {
        this.calls.delete(call.id);
        this.store.forgetOpenCall(call.id);
        this.#whenGone.get(call.id)?.();
      },
    };
  }

  #onMediaServerLost({ name }: MediaServer, reason: string): void {
    this.#count('mediaServersLost');
    void rescueCalls(this.calls.values(), this.#rescue, `media server ${name} is lost: ${reason}`);
  }

  #refuseBusy(invite: IncomingInvite): void {
    this.#count('refused-busy');
    this.#alarms.say(() =>
      this.#log.error({ alarm: 'calls-exhausted', calls: this.calls.size }, 'no more calls'),
    );
    invite.respond(503, { headers: { 'retry-after': '10' } });
  }

  #refuse(request: SipRequest, flow: Flow, identity: Refused): Refusal {
    const { status, reason, challenge, counter } = identity;
    this.#count(counter);
    if (counter !== 'auth-challenged' && counter !== 'auth-stale') this.#tellRefusal(request, flow, counter);
    return { status, reason, headers: challenge === undefined ? {} : { 'www-authenticate': challenge } };
  }

  #tellRefusal({ method, headers }: SipRequest, { peer }: Flow, counter: string): void {
    const from = headers.from.uri.slice(0, LONGEST_LOGGED);
    this.#refusals.say((unsaid) =>
      this.#log.warn({ method, from, address: peer.address, counter, ...unsaid }, 'refused'),
    );
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
    featureCodes: featureCodesIn(config.switch),
  };
}

function featureCodesIn(codes: Config['switch']): Settings['featureCodes'] {
  const named = [
    [codes['record-code'], 'record'],
    [codes['pause-code'], 'pause'],
  ] as const;
  return new Map(named.filter(([code]) => code !== ''));
}

/** Starts grec-sipd. */
export async function startSwitch({ config, log }: DaemonContext): Promise<RunningDaemon> {
  const certificate = new Certificate(config, log);
  const strategist = new Strategist(config, log);
  const journal = await openJournal({ directory: config.paths.journal, daemon: 'grec-sipd', log });
  const store = new DnStore(config.paths.switchDb, (reason) => reportStore(reason, log));
  const clients = await Promise.all(
    config.media.server.map(async (address) => ({
      address,
      ng: await createNgClient({ ...address, timeoutMs: config.media.timeout, log }),
    })),
  );
  const parts = new Switch({ config, store, strategist, certificate, journal, clients, log });
  warnOfForeignRealms(store, parts.realm, log);
  try {
    await parts.listen(config);
  } catch (thrown) {
    await Promise.allSettled([journal.close(), parts.mediaServers.close()]);
    store.close();
    strategist.close();
    certificate.close();
    throw thrown;
  }
  journal.append({ type: 'daemon.started', version: VERSION, pid: process.pid });
  await parts.closeLostCalls();
  return {
    routes: switchRoutes(parts),
    status: () => statusOf(parts),
    reload: (next) => parts.reload(next),
    stop: () => parts.stop(),
  };
}

function reportStore(reason: string | undefined, log: Logger): void {
  if (reason === undefined) log.info('the DN database is written again');
  else
    log.error(
      {
        alarm: 'switch-db-write',
        hint: 'free space on its disk; registrations and calls are kept in memory until then',
      },
      `cannot write the DN database: ${reason}`,
    );
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

function statusOf(parts: Switch): Record<string, unknown> {
  const calls = [...parts.calls.values()];
  return {
    listen:
      parts.userAgent?.listening.map(
        ({ protocol, address, port }) => `${protocol}:${hostOf(address)}:${port}`,
      ) ?? [],
    mediaServers: parts.mediaServers.status(),
    mediaServer: parts.mediaServers.living?.name ?? 'none',
    calls: calls.length,
    recording: calls.filter((call) => call.recording?.isRunning).length,
    registrations: parts.store.registeredCount(Date.now()),
    listeners: parts.events.listeners,
    strategy: parts.strategist.status(),
    tls: parts.certificate.status(),
    counters: {
      ...parts.counters,
      ...prefixed('strategy', parts.strategist.counters),
      ...prefixed('sip', parts.userAgent?.counters ?? {}),
    },
  };
}

function prefixed(prefix: string, counters: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [`${prefix}-${name}`, value]));
}
