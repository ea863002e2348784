// What the routing strategy says of a call that comes: at once by its rules, or when an external one has answered.
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import type { SipRequest } from '../sip/message.ts';
import type { IncomingInvite } from '../sip/user-agent.ts';
import { callerOf, type Ruling } from './call-plan.ts';
import { ExternalStrategy } from './external-strategy.ts';
import { dialledBy, type Identity } from './identity.ts';
import { sessionIdOf } from './session-id.ts';
import { Sparingly } from './sparingly.ts';
import { applyRule, evaluate, NOTHING, type Question } from './strategy/evaluate.ts';
import { readAnswer } from './strategy/read.ts';
import type { Decision, External, StrategyCall } from './strategy/strategy.ts';
import { StrategyFile } from './strategy-file.ts';

/** How an answer is called among the rules that made a decision. */
const EXTERNAL_RULE = 'external';
const LONGEST_HEADER = 1024;

type Caller = Exclude<Identity, { kind: 'refused' }>;

export class Strategist {
  readonly counters: Record<string, number> = {};
  readonly #file: StrategyFile;
  readonly #external = new ExternalStrategy();
  readonly #log: Logger;
  readonly #failures = new Sparingly(1);
  #trunks: readonly string[];

  /**
   * @param onChange called when another strategy is in force than at the start
   * @throws GrecError CONFIG_INVALID, CONFIG_UNREADABLE
   */
  constructor(config: Config, log: Logger, onChange?: () => void) {
    this.#log = log;
    this.#trunks = config.trunk.map(({ name }) => name);
    this.#file = new StrategyFile(config, log, onChange);
  }

  reload(config: Config): void {
    this.#trunks = config.trunk.map(({ name }) => name);
    this.#file.reload(config);
  }

  close(): void {
    this.#file.close();
    this.#external.close();
  }

  /** What `grec status` shows of it; null without a strategy. */
  status(): Record<string, unknown> | null {
    const { file, strategy, problem } = this.#file;
    if (strategy === undefined && problem === undefined) return null;
    return {
      file,
      rules: strategy?.rules.length ?? 0,
      routingPoints: strategy?.points.size ?? 0,
      external: strategy?.external?.url ?? null,
      problem: problem ?? null,
    };
  }

  /** The ruling on a call, or its promise, which never rejects. */
  rule(invite: Pick<IncomingInvite, 'message'>, caller: Caller): Ruling | Promise<Ruling> {
    const sessionId = sessionIdOf(invite.message.headers['session-id']);
    const dialled = dialledBy(invite.message, caller) ?? '';
    const { strategy } = this.#file;
    if (strategy === undefined || dialled === '') return { sessionId, decision: NOTHING };
    const call = callOf(invite, caller, sessionId, dialled);
    const question = { strategy, call, now: Date.now() };
    const decision = evaluate(question);
    if (decision.route.kind !== 'external') return this.#ruled(question, decision);
    const { external } = strategy;
    if (external === undefined) return { sessionId, decision: NOTHING };
    return this.#ask(question, decision, external);
  }

  #ruled({ call }: Question, decision: Decision): Ruling {
    const { sessionId, from, to } = call;
    const { rules, route, record } = decision;
    // Of a call that is refused nothing else is left.
    const level = route.kind === 'reject' ? 'info' : 'debug';
    this.#log[level]({ sessionId, from, to, rules, route, record: record?.word }, 'strategy decided');
    return { sessionId, decision };
  }

  async #ask(question: Question, sofar: Decision, { url, timeoutMs, fallback }: External): Promise<Ruling> {
    const { strategy, call, now } = question;
    const asked = { ...call, at: new Date(now).toISOString(), rules: sofar.rules, attach: sofar.attach };
    const answer = await this.#external.ask(url, asked, timeoutMs);
    const read = 'problem' in answer ? answer : readAnswer(answer.json, strategy, this.#trunks);
    if ('actions' in read) {
      const decision = applyRule(question, sofar, { name: EXTERNAL_RULE, actions: read.actions });
      if (decision.route.kind !== 'external') return this.#ruled(question, decision);
    }
    const problem = 'problem' in read ? read.problem : 'its answer leads back to it';
    this.#count('external-failed');
    this.#failures.say((unsaid) =>
      this.#log.warn(
        { sessionId: call.sessionId, url, rule: fallback.name, problem, ...unsaid },
        'external strategy failed: the fallback rule decides',
      ),
    );
    return this.#ruled(question, applyRule(question, sofar, fallback));
  }

  #count(name: string): void {
    this.counters[name] = (this.counters[name] ?? 0) + 1;
  }
}

function callOf(
  invite: Pick<IncomingInvite, 'message'>,
  caller: Caller,
  sessionId: string,
  to: string,
): StrategyCall {
  return {
    sessionId,
    from: callerOf(invite, caller).number,
    to,
    dn: caller.kind === 'dn' ? caller.dn.number : undefined,
    trunk: caller.kind === 'trunk' ? caller.trunk.name : undefined,
    headers: headersOf(invite.message),
  };
}

/** Headers as text. Those that are taken apart are left out (credentials among them), but for addresses. */
function headersOf({ headers }: SipRequest): Record<string, string> {
  const { from, to, contact } = headers;
  const texts: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string') texts[name] = value.slice(0, LONGEST_HEADER);
  }
  texts['from'] = from.uri.slice(0, LONGEST_HEADER);
  texts['to'] = to.uri.slice(0, LONGEST_HEADER);
  if (Array.isArray(contact) && contact[0] !== undefined)
    texts['contact'] = contact[0].uri.slice(0, LONGEST_HEADER);
  return texts;
}
