// What a call is given of the switch.
import { setTimeout } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { UserAgent } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import type { CallContext } from './call-model.ts';
import { decideForNewcomer } from './call-plan.ts';
import type { CallStore } from './call-store.ts';
import type { DnStore } from './dn-store.ts';
import type { LiveDecisions } from './live-decisions.ts';
import type { MediaServers } from './media-servers.ts';
import type { OpenCalls } from './open-calls.ts';
import { routeRedirected } from './redirection.ts';
import type { RouteOptions } from './route.ts';
import { srtpSaidOf } from './srtp-policy.ts';
import { storeCall } from './stored-call.ts';
import type { Settings } from './switch-settings.ts';
import { planFor, type TransferPlanOptions } from './transfer-plan.ts';
import type { Trunks } from './trunks.ts';

/** A call whose party has vanished ends within this and the half minute that its silence takes. */
const PROBE_MS = 90_000;

/** The parts of the switch that calls work with; functions for what changes. */
export interface CallContextParts {
  userAgent: UserAgent;
  log: Logger;
  settings: Settings;
  store: DnStore;
  trunks: Trunks;
  openCalls: OpenCalls;
  callStore: CallStore;
  mediaServers: MediaServers;
  decisions: LiveDecisions;
  routing(): RouteOptions;
  planning(): TransferPlanOptions;
  journal(event: EventBody): void;
  count(name: string): void;
}

export function callContext(parts: CallContextParts): CallContext {
  const { userAgent, log, settings, openCalls, callStore, mediaServers, trunks } = parts;
  const said = { store: parts.store, trunks, defaults: settings.defaults };
  return {
    userAgent,
    log,
    journal: (event) => {
      if (event.type === 'call.answered') parts.count('answered');
      openCalls.note(event);
      if (event.type === 'recording.started') parts.count('recorded');
      if (event.type === 'recording.failed') parts.count('recordingsFailed');
      parts.journal(event);
    },
    anchor: (call, legs) => mediaServers.anchor(call, legs),
    anchorOf: (media) => mediaServers.anchorOf(media),
    restoreMedia: (anchor, legs) => mediaServers.restore(anchor, legs),
    keep: (call) => callStore.keep(call.id, () => storeCall(call)),
    forget: (call) => callStore.forget(call.id),
    plan: (by, number, sessionId) => planFor(by, number, sessionId, parts.planning()),
    decide: (newcomer, label) => decideForNewcomer(newcomer, label, parts.routing()),
    callOf: (dialog) => openCalls.ofDialog(dialog),
    srtpOf: (party) => srtpSaidOf(party, said),
    credentialsOf: (trunk) => trunks.find(trunk)?.credentials,
    redirect: (from, response) => routeRedirected(from, response, parts.routing()),
    ringTimeoutMs: settings.ringTimeoutMs,
    featureCodes: settings.featureCodes,
    probeMs: PROBE_MS,
    glareDelay: () => setTimeout(2100 + 1900 * Math.random(), undefined, { ref: false }),
    onReleased: (call) => {
      parts.decisions.drop(call.id);
      openCalls.drop(call);
    },
  };
}
