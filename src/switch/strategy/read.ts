// From the text of a strategy file to a strategy, or to every mistake in it; and the same for an answer in JSON.
import * as v from 'valibot';
import { type ConfigProblem, checkToml, invalidFile, showPath } from '../../toml-schema.ts';
import { findInActions, findMistakes } from './findings.ts';
import { numberPattern, type Pattern, textPattern } from './pattern.ts';
import { isSampled } from './sample.ts';
import { isScheduled, readDays, readSpan } from './schedule.ts';
import {
  type Actions,
  answerSchema,
  type MatchValues,
  type RuleValues,
  type StrategyValues,
  strategySchema,
} from './schema.ts';
import type { Condition, Rule, Strategy } from './strategy.ts';

/**
 * The strategy of a text, or every mistake in it, in the order of the file.
 * @param trunks the names of the trunks in the configuration; undefined when these are not known
 */
export function checkStrategy(
  toml: string,
  trunks?: readonly string[],
): { strategy?: Strategy; problems: ConfigProblem[] } {
  const { values, problems } = checkToml(strategySchema, toml, (raw) => findMistakes(raw, trunks));
  return values === undefined ? { problems } : { strategy: build(values), problems: [] };
}

/** @throws GrecError CONFIG_INVALID, with every mistake as `FILE:LINE: KEY: what is accepted` */
export function parseStrategy(toml: string, file: string, trunks?: readonly string[]): Strategy {
  const { strategy, problems } = checkStrategy(toml, trunks);
  if (strategy !== undefined) return strategy;
  throw invalidFile(file, problems, 'man 5 grec-strategy lists every key and what it accepts');
}

/** The decision in an answer, or what is wrong with it. */
export function readAnswer(
  json: unknown,
  strategy: Strategy,
  trunks: readonly string[],
): { actions: Actions } | { problem: string } {
  const result = v.safeParse(answerSchema, json);
  const isRuled = (number: string) => strategy.rules.some((rule) => looksFor(rule, number));
  const known = { points: new Set(strategy.points.keys()), isRuled, trunks };
  const problems = [
    ...(result.issues ?? []).map((issue) => `${v.getDotPath(issue) ?? 'the answer'}: ${issue.message}`),
    ...findInActions({ path: [], raw: json }, known).map(
      ({ path, message }) => `${showPath(path)}: ${message}`,
    ),
  ];
  if (result.success && problems.length === 0) return { actions: result.output };
  return { problem: problems.join('; ') };
}

function looksFor({ conditions }: Rule, number: string): boolean {
  const call = { sessionId: '', from: '', to: number, dn: undefined, trunk: undefined, headers: {} };
  return conditions.some(({ key, holds }) => key === 'match.to' && holds(call, 0));
}

function build(values: StrategyValues): Strategy {
  const zone = values['time-zone'];
  const build = (rule: RuleValues) => buildRule(rule, zone);
  const rules = values.rule.map(build);
  const points = new Map(values['routing-point'].map(({ number, rule }) => [number, rule.map(build)]));
  const { external } = values;
  const fallback = [...rules, ...[...points.values()].flat()].find(({ name }) => name === external?.fallback);
  return {
    rules,
    points,
    fallthrough: values.default,
    external: external && fallback && { url: external.url, timeoutMs: external.timeout, fallback },
  };
}

function buildRule({ name, match = {}, ...actions }: RuleValues, zone: string | undefined): Rule {
  return { name, conditions: conditionsOf(match, name, match['time-zone'] ?? zone), actions };
}

function conditionsOf(match: MatchValues, name: string, zone: string | undefined): Condition[] {
  const { from, to, dn, trunk, headers = {}, percent } = match;
  const conditions: Condition[] = [];
  const add = (key: string, holds: Condition['holds']) => conditions.push({ key: `match.${key}`, holds });
  const addPatterns = (
    key: string,
    texts: string[] | undefined,
    compile: (text: string) => Pattern,
    value: (call: Parameters<Condition['holds']>[0]) => string | undefined,
  ) => {
    const patterns = texts?.map(compile);
    if (patterns !== undefined) add(key, (call) => isMatched(patterns, value(call)));
  };
  addPatterns('from', from, numberPattern, (call) => call.from);
  addPatterns('to', to, numberPattern, (call) => call.to);
  addPatterns('dn', dn, numberPattern, (call) => call.dn);
  addPatterns('trunk', trunk, textPattern, (call) => call.trunk);
  for (const [header, texts] of Object.entries(headers)) {
    const key = header.toLowerCase();
    addPatterns(`headers.${header}`, texts, textPattern, (call) => call.headers[key]);
  }
  addSchedule(match, zone, add);
  if (percent !== undefined) add('percent', (call) => isSampled(call.sessionId, name, percent));
  return conditions;
}

function isMatched(patterns: readonly Pattern[], value: string | undefined): boolean {
  return value !== undefined && patterns.some((pattern) => pattern.matches(value));
}

function addSchedule(
  { days, hours }: MatchValues,
  zone: string | undefined,
  add: (key: string, holds: Condition['holds']) => void,
): void {
  if (days === undefined && hours === undefined) return;
  const schedule = {
    days: days && new Set(days.flatMap((text) => readDays(text) ?? [])),
    spans: (hours ?? []).flatMap((text) => readSpan(text) ?? []),
    zone,
  };
  const key = [days && 'days', hours && 'hours'].filter(Boolean).join(' and ');
  add(key, (_call, now) => isScheduled(schedule, now));
}
