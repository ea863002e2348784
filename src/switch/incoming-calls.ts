// An INVITE that asks for a call: refused, or an order to the switch, or placed where the strategy sends it (RFC 3261 section 16 in spirit).
import { v7 as uuidv7 } from 'uuid';
import type { Logger } from '../log.ts';
import { replacedBy } from '../sip/replaces.ts';
import { reasonPhrase } from '../sip/response.ts';
import type { IncomingInvite, UserAgent } from '../sip/user-agent.ts';
import type { EventBody } from '../spool/events.ts';
import { agentCodeOf, doAgentCode } from './agent-codes.ts';
import type { Agents } from './agents.ts';
import { Call, type CallContext } from './call.ts';
import { callerOf, planCall, type Ruling } from './call-plan.ts';
import type { DnStore } from './dn-store.ts';
import type { Caller, Gate } from './gate.ts';
import { dialledBy, userOf } from './identity.ts';
import type { OpenCalls } from './open-calls.ts';
import { takePlace } from './replaced-party.ts';
import type { RefusedRoute, RouteOptions } from './route.ts';
import { hasForeignBody } from './sdp-body.ts';
import { Sparingly } from './sparingly.ts';
import type { Strategist } from './strategist.ts';
import type { Settings } from './switch-settings.ts';
import { unavailable } from './unavailable.ts';

/** What of the switch it takes; functions for what changes. */
export interface IncomingCallsParts {
  gate: Gate;
  strategist: Strategist;
  store: DnStore;
  agents: Agents;
  openCalls: OpenCalls;
  log: Logger;
  settings(): Settings;
  isDraining(): boolean;
  userAgent(): UserAgent | undefined;
  routing(): RouteOptions;
  context(): CallContext;
  journal(event: EventBody): void;
  count(name: string): void;
}

export class IncomingCalls {
  readonly #parts: IncomingCallsParts;
  readonly #alarms = new Sparingly(1);

  constructor(parts: IncomingCallsParts) {
    this.#parts = parts;
  }

  receive(invite: IncomingInvite): void {
    const { headers } = invite.message;
    if (this.#parts.isDraining()) return invite.respond(503, { headers: { 'retry-after': '10' } });
    if (hasForeignBody(invite.message))
      return invite.respond(415, { headers: { accept: 'application/sdp' } });
    if (headers['max-forwards'] === 0) return invite.respond(483);
    if (this.#parts.openCalls.all.size >= this.#parts.settings().mostCalls) return this.#refuseBusy(invite);
    const caller = this.#parts.gate.callerOf(invite.message);
    if (caller === undefined) return invite.respond(403);
    if (headers['replaces'] !== undefined) return this.#replace(invite, caller);
    if (this.#isAgentCode(invite, caller)) return;
    const ruling = this.#parts.strategist.rule(invite, caller);
    if (ruling instanceof Promise) void this.#placeLater(invite, caller, ruling);
    else this.#place(invite, caller, ruling);
  }

  /** True when it was no call, but something that the switch is to do. A DN of the same number goes before. */
  #isAgentCode(invite: IncomingInvite, caller: Caller): boolean {
    const dialled = userOf(invite.message.uri) ?? '';
    const code = caller.kind === 'dn' ? agentCodeOf(dialled, this.#parts.settings().agentCodes) : undefined;
    if (code === undefined || caller.kind !== 'dn' || this.#parts.store.dn(dialled) !== undefined)
      return false;
    doAgentCode(invite, caller.dn.number, code, this.#parts.agents);
    return true;
  }

  /** Somebody wants the place of a party in a call (RFC 3891). */
  #replace(invite: IncomingInvite, caller: Caller): void {
    const { message } = invite;
    const replaced = replacedBy(message, (...name) => this.#parts.userAgent()?.findDialog(...name));
    if (replaced.kind === 'refused')
      return invite.respond(
        replaced.status,
        replaced.reason === undefined ? {} : { reason: replaced.reason },
      );
    const found = replaced.kind === 'dialog' ? this.#parts.openCalls.ofDialog(replaced.dialog) : undefined;
    if (found === undefined) return invite.respond(481);
    void takePlace(found.call, found.label, invite, callerOf(invite, caller));
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
      if (this.#parts.isDraining()) return invite.respond(503, { headers: { 'retry-after': '10' } });
      this.#place(invite, caller, decided);
    } catch (thrown) {
      this.#parts.log.error({ err: thrown }, 'call could not be placed');
      invite.respond(500);
    }
  }

  #place(invite: IncomingInvite, caller: Caller, ruling: Ruling): void {
    const plan = planCall(invite, caller, this.#parts.routing(), ruling);
    if (plan.kind === 'refused') return this.#refuseCall(invite, caller, ruling, plan);
    if (this.#parts.openCalls.isLoop(plan.plan)) return this.#refuseLoop(invite);
    this.#begin(new Call({ invite, plan: plan.plan }, this.#parts.context()));
  }

  #refuseCall(invite: IncomingInvite, caller: Caller, ruling: Ruling, refused: RefusedRoute): void {
    const { sessionId, decision } = ruling;
    const { status, reason } = refused;
    const rule = decision.rules.length === 0 ? undefined : decision.rules.join(' / ');
    const dialled = dialledBy(invite.message, caller) ?? '';
    const said = { status, reason: reason ?? reasonPhrase(status), rule };
    const from = callerOf(invite, caller);
    this.#parts.journal({ type: 'call.refused', call: uuidv7(), sessionId, from, dialled, ...said });
    invite.respond(status, { reason });
  }

  #refuseLoop(invite: IncomingInvite): void {
    this.#parts.count('refused-loop');
    invite.respond(482);
  }

  #refuseBusy(invite: IncomingInvite): void {
    this.#parts.count('refused-busy');
    this.#alarms.say(() =>
      this.#parts.log.error(
        { alarm: 'calls-exhausted', calls: this.#parts.openCalls.all.size },
        'no more calls',
      ),
    );
    const { status, ...options } = unavailable();
    invite.respond(status, options);
  }

  #begin(call: Call): void {
    this.#parts.openCalls.add(call);
    this.#parts.count('calls');
    call.begin().catch((thrown: unknown) => {
      this.#parts.log.error({ err: thrown, call: call.id }, 'call could not begin');
      call.release('switch', 500, 'internal error');
    });
  }
}
