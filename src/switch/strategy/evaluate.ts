// From a call and a strategy to the decision: the first rule that matches makes it. Pure.
import type { Actions } from './schema.ts';
import type { Decision, RouteWord, Rule, Strategy, StrategyCall } from './strategy.ts';

/** How the default of a strategy is called among its rules. */
export const DEFAULT_RULE = 'default';
/** So many rules may make one decision, each leading to the next. */
const MOST_RULES = 20;
/** Without a strategy, and where it says nothing: the call goes to the number that was dialled. */
export const NOTHING: Decision = { rules: [], route: { kind: 'dialled' }, record: undefined, attach: {} };

/** What is decided about, and when. */
export interface Question {
  strategy: Strategy;
  call: StrategyCall;
  /** Milliseconds since 1970. */
  now: number;
  /** Hears of each rule that did not match, with the key of the condition that does not hold. */
  onPassed?(rule: Rule, key: string): void;
}

/** The decision for a call. Its route is `external` when the external strategy is to be asked: see {@link applyRule}. */
export function evaluate(question: Question, sofar = NOTHING): Decision {
  const { strategy, call } = question;
  const rule = firstMatch(strategy.rules, question);
  if (rule !== undefined) return applyRule(question, sofar, rule);
  if (strategy.points.has(call.to)) return enterPoint(question, sofar, call.to);
  const { fallthrough } = strategy;
  if (fallthrough === undefined) return sofar;
  return applyRule(question, sofar, { name: DEFAULT_RULE, actions: fallthrough });
}

/** The decision when `rule` is applied to what is decided so far; the rule's word goes before earlier ones. */
export function applyRule(
  question: Question,
  sofar: Decision,
  { name, actions }: Pick<Rule, 'name' | 'actions'>,
): Decision {
  const { record, retention = sofar.retention, attach, route } = actions;
  const next: Decision = {
    rules: [...sofar.rules, name],
    route: routeOf(actions),
    record: record === undefined ? sofar.record : { word: record, rule: name },
    ...(retention !== undefined && { retention }),
    attach: { ...sofar.attach, ...attach },
  };
  const point = route?.['routing-point'];
  return point === undefined ? next : enterPoint(question, next, point);
}

/** A routing point with rules of its own, or one whose call is looked at again, as if its number had been dialled. */
function enterPoint(question: Question, sofar: Decision, number: string): Decision {
  if (!question.strategy.points.has(number)) return lookAgain(question, sofar, number);
  const rule = firstMatch(question.strategy.points.get(number) ?? [], question);
  if (rule !== undefined) return applyRule(question, sofar, rule);
  return { ...sofar, route: { kind: 'reject', status: 480, reason: `No Rule At Routing Point ${number}` } };
}

/** Whether these lead in a circle depends on the call: the check of the strategy cannot tell. */
function lookAgain(question: Question, sofar: Decision, number: string): Decision {
  if (sofar.rules.length >= MOST_RULES)
    return { ...sofar, route: { kind: 'reject', status: 482, reason: 'Routing Points Lead In A Circle' } };
  const there = { ...question, call: { ...question.call, to: number } };
  const decision = evaluate(there, { ...sofar, route: { kind: 'dialled' } });
  if (decision.route.kind !== 'dialled') return decision;
  return {
    ...decision,
    route: { kind: 'reject', status: 480, reason: `No Rule At Routing Point ${number}` },
  };
}

function firstMatch(rules: readonly Rule[], { call, now, onPassed }: Question): Rule | undefined {
  for (const rule of rules) {
    const failed = rule.conditions.find((condition) => !condition.holds(call, now));
    if (failed === undefined) return rule;
    onPassed?.(rule, failed.key);
  }
  return undefined;
}

function routeOf({ route, reject, external }: Actions): RouteWord {
  if (reject !== undefined) return { kind: 'reject', status: reject.code, reason: reject.reason };
  if (external === true) return { kind: 'external' };
  if (route?.dn !== undefined)
    return { kind: 'dn', dns: route.dn, ring: route.ring, ringTimeMs: route['ring-time'] * 1000 };
  if (route?.trunk !== undefined) return { kind: 'trunk', trunk: route.trunk };
  return { kind: 'dialled' };
}
