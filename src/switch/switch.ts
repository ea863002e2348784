// The SIP Server: what arrives at its user agent becomes registrations and calls.
import { setTimeout } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import type { NgEvent } from '../ng/reply.ts';
import { createUserAgent, type IncomingRequest, type UserAgent } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import type { Journal } from '../spool/journal.ts';
import { VERSION } from '../version.ts';
import { Agents } from './agents.ts';
import type { Call, CallContext } from './call.ts';
import { callContext } from './call-context.ts';
import type { CallStore } from './call-store.ts';
import type { Certificate } from './certificate.ts';
import { Contacts } from './contacts.ts';
import type { DnStore } from './dn-store.ts';
import { Gate } from './gate.ts';
import { Identifier, userOf } from './identity.ts';
import { ALLOW_IN_CALL } from './in-dialog.ts';
import { IncomingCalls } from './incoming-calls.ts';
import { LiveDecisions } from './live-decisions.ts';
import { LiveEvents } from './live-events.ts';
import { type RescueContext, rescueCalls, resumeInterrupted } from './media-rescue.ts';
import { callOfName, type MediaServer, MediaServers, type MediaServersOptions } from './media-servers.ts';
import { OpenCalls } from './open-calls.ts';
import { takeFeatureCode } from './phone-requests.ts';
import type { RouteOptions } from './route.ts';
import { srtpSaidOf } from './srtp-policy.ts';
import type { Strategist } from './strategist.ts';
import { type Settings, settingsOf } from './switch-settings.ts';
import { takeUpCalls } from './take-up-calls.ts';
import type { TransferPlanOptions } from './transfer-plan.ts';
import type { Trunks } from './trunks.ts';

/** A call is four messages one behind the other until it is answered: nobody hears this. */
const REST_MS = 3;
/** The host of numbers when none is known; it is never called. */
const NOWHERE = { protocol: 'udp', address: '127.0.0.1', port: 5060 } as const;

/** How long a stopping switch waits for phones to answer its BYEs. */
const FAREWELL_MS = 3000;

export class Switch {
  readonly openCalls: OpenCalls;
  readonly counters: Record<string, number> = { calls: 0, answered: 0, recorded: 0, recordingsFailed: 0 };
  readonly store: DnStore;
  readonly realm: string;
  readonly strategist: Strategist;
  readonly trunks: Trunks;
  readonly contacts: Contacts;
  readonly events = new LiveEvents();
  readonly certificate: Certificate;
  readonly agents: Agents;
  readonly decisions = new LiveDecisions();
  readonly #gate: Gate;
  readonly #journal: Journal;
  readonly mediaServers: MediaServers;
  readonly #callStore: CallStore;
  readonly #log: Logger;
  readonly #incoming: IncomingCalls;
  readonly #rescue: RescueContext = {
    isLost: ({ media }) => this.mediaServers.isLost(media),
    isServed: () => this.mediaServers.living !== undefined,
  };
  #settings: Settings;
  #userAgent: UserAgent | undefined;
  /** As the settings are; made once for many calls. */
  #contextNow: CallContext | undefined;
  #routingNow: RouteOptions | undefined;
  #isDraining = false;

  constructor(parts: {
    config: Config;
    store: DnStore;
    strategist: Strategist;
    certificate: Certificate;
    trunks: Trunks;
    journal: Journal;
    clients: MediaServersOptions['clients'];
    callStore: CallStore;
    log: Logger;
  }) {
    this.store = parts.store;
    this.openCalls = new OpenCalls(parts.store);
    this.strategist = parts.strategist;
    this.certificate = parts.certificate;
    this.trunks = parts.trunks;
    this.realm = parts.config.sip.realm;
    this.#journal = parts.journal;
    this.#callStore = parts.callStore;
    this.mediaServers = new MediaServers({
      clients: parts.clients,
      log: parts.log,
      onLost: (server, reason) => this.#onMediaServerLost(server, reason),
      featureCodes: () => [...this.#settings.featureCodes.keys()],
      srtpOf: (party) => srtpSaidOf(party, this),
      onFound: () => void resumeInterrupted(this.calls.values(), this.#rescue),
    });
    this.#log = parts.log;
    this.contacts = new Contacts({
      store: parts.store,
      log: parts.log,
      userAgent: () => this.#userAgent,
      qualifyMs: parts.config.sip.qualify * 1000,
    });
    this.#settings = settingsOf(parts.config);
    this.agents = new Agents(parts.store, (event) => this.#journalEvent(event));
    const { digest: algorithms, limits } = parts.config.sip;
    this.#gate = new Gate({
      identifier: new Identifier({
        store: parts.store,
        trunks: parts.trunks,
        realm: this.realm,
        algorithms,
        now: Date.now,
      }),
      trunkRate: (name) => parts.trunks.find(name)?.config['calls-per-second'] ?? 0,
      limits,
      log: parts.log,
      count: (name) => this.#count(name),
    });
    this.#incoming = new IncomingCalls({
      gate: this.#gate,
      strategist: parts.strategist,
      store: parts.store,
      agents: this.agents,
      openCalls: this.openCalls,
      log: parts.log,
      settings: () => this.#settings,
      isDraining: () => this.#isDraining,
      userAgent: () => this.#userAgent,
      routing: () => this.#routing(),
      context: () => this.#context(),
      journal: (event) => this.#journalEvent(event),
      count: (name) => this.#count(name),
    });
  }

  async listen(config: Config): Promise<void> {
    this.#userAgent = await createUserAgent({
      listen: config.sip.listen,
      tls: this.certificate.identity,
      log: this.#log,
      product: `grec/${VERSION}`,
      allow: ALLOW_IN_CALL,
      sessionTimer: { expires: config.sip['session-expires'], minSe: config.sip['min-se'] },
      timers: { t1: config.sip.t1 },
      restMs: REST_MS,
      limits: { messageBytes: config.sip.limits['message-size'] },
      admit: (request, flow) => this.#gate.admit(request, flow),
      onInvite: (invite) => this.#incoming.receive(invite),
      onRequest: (request) => this.#onRegister(request),
      mayAlias: ({ peer }) => this.trunks.hasHost(peer.address),
      successorOf: (flow, uri) => this.contacts.successorOf(flow, userOf(uri) ?? ''),
    });
  }

  /** Registers at the trunks that want it, and asks those that are to be asked. */
  startTrunks(): void {
    if (this.#userAgent !== undefined) this.trunks.start(this.#userAgent);
  }

  get calls(): ReadonlyMap<string, Call> {
    return this.openCalls.all;
  }

  get load(): Gate['load'] {
    return this.#gate.load;
  }

  get userAgent(): UserAgent | undefined {
    return this.#userAgent;
  }

  get defaults(): RouteOptions['defaults'] {
    return this.#settings.defaults;
  }

  callsAt(number: string): number {
    const calls = [...this.calls.values()];
    return calls.filter(({ plan: { from, to } }) => from.dn === number || to.dn === number).length;
  }

  /** @throws GrecError CONFIG_INVALID for a trunk, and nothing changes */
  reload(config: Config): void {
    this.trunks.reload(config);
    this.#settings = settingsOf(config);
    this.#contextNow = undefined;
    this.#routingNow = undefined;
    this.strategist.reload(config);
    if (this.#userAgent !== undefined) this.certificate.reload(config, this.#userAgent);
    this.#gate.reload(config.sip.limits);
    this.contacts.reload(config.sip.qualify * 1000);
  }

  /** Goes on with the calls of an earlier life that were answered; says of the others that they are over. */
  takeUpCalls(): void {
    takeUpCalls({
      context: this.#context(),
      openCalls: this.openCalls,
      callStore: this.#callStore,
      store: this.store,
      journal: this.#journal,
      mediaServers: this.mediaServers,
      rescue: this.#rescue,
      log: this.#log,
      count: (name) => this.#count(name),
    });
  }

  /** Ends every call with BYE, then the sockets. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    this.contacts.stop();
    this.#gate.stop();
    const open = [...this.calls.values()];
    const gone = open.map((call) => this.openCalls.whenGone(call));
    for (const call of open) call.release('switch', 503, 'the switch is stopping');
    const farewells = Promise.all(open.map((call) => call.farewell));
    await Promise.all([
      ...gone,
      Promise.race([farewells, setTimeout(FAREWELL_MS, undefined, { ref: false })]),
      this.trunks.stop(),
    ]);
    await this.#userAgent?.close();
    this.#journal.append({ type: 'daemon.stopped' });
    await this.#journal.close();
    await this.mediaServers.close();
    this.#callStore.close();
    this.store.close();
    this.strategist.close();
    this.certificate.close();
  }

  #onRegister(request: IncomingRequest): void {
    const identity = this.#gate.callerOf(request.message);
    if (identity?.kind !== 'dn') return request.respond(403);
    const { number } = identity.dn;
    this.contacts.register(request, number, this.#settings);
  }

  #planning(): TransferPlanOptions {
    const [local = NOWHERE] = this.#userAgent?.listening ?? [];
    return { routing: this.#routing(), strategist: this.strategist, local };
  }

  #routing(): RouteOptions {
    this.#routingNow ??= this.#makeRouting();
    return this.#routingNow;
  }

  #makeRouting(): RouteOptions {
    return {
      store: this.store,
      trunks: this.trunks,
      flowOf: this.contacts.flowOf.bind(this.contacts),
      isReachable: this.contacts.hasNotFailed.bind(this.contacts),
      now: Date.now,
      defaults: this.defaults,
      isEngaged: (number: string) => this.openCalls.isEngaged(number),
    };
  }

  #journalEvent(event: EventBody): void {
    const isUrgent = isOfRecording(event);
    const journaled = isUrgent ? this.#journal.append(event) : this.#journal.appendSoon(event);
    this.decisions.note(journaled);
    this.events.tell(journaled);
  }

  #context(): CallContext {
    this.#contextNow ??= this.#makeContext();
    return this.#contextNow;
  }

  #makeContext(): CallContext {
    const userAgent = this.#userAgent;
    if (userAgent === undefined) throw new Error('a call before the user agent listens');
    return callContext({
      userAgent,
      log: this.#log,
      settings: this.#settings,
      store: this.store,
      trunks: this.trunks,
      openCalls: this.openCalls,
      callStore: this.#callStore,
      mediaServers: this.mediaServers,
      decisions: this.decisions,
      routing: () => this.#routing(),
      planning: () => this.#planning(),
      journal: (event) => this.#journalEvent(event),
      count: (name) => this.#count(name),
    });
  }

  /** A media server tells what a party has dialled, or that it has lost the media of a call. */
  onMediaEvent(event: NgEvent): void {
    const name = event['call-id'];
    const call = this.calls.get(callOfName(name));
    if (call === undefined) return;
    if (event.event === 'dtmf') return takeFeatureCode(call, event.tag, event.code);
    if (!this.mediaServers.noteLoss(call.media, name)) return;
    void rescueCalls([call], this.#rescue, `the media server lost the call: ${event.reason}`);
  }

  #onMediaServerLost({ name }: MediaServer, reason: string): void {
    this.#count('mediaServersLost');
    void rescueCalls(this.calls.values(), this.#rescue, `media server ${name} is lost: ${reason}`);
  }

  #count(name: string): void {
    this.counters[name] = (this.counters[name] ?? 0) + 1;
  }
}

/** What a kill at any instant must not lose; the other events of a call may miss a few milliseconds of it. */
function isOfRecording(event: EventBody): boolean {
  return event.type === 'recording.decided' ? event.record : event.type.startsWith('recording.');
}
