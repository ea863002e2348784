// `grec strategy`: check a strategy file, and ask it for the decision on a call. Needs no daemon.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { GrecError, messageOf, systemCode } from '../errors.ts';
import { applyRule, evaluate, NOTHING } from '../switch/strategy/evaluate.ts';
import { checkStrategy, parseStrategy } from '../switch/strategy/read.ts';
import type { Decision, RouteWord, Strategy, StrategyCall } from '../switch/strategy/strategy.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { printable, renderPairs } from './table.ts';
import { readTime } from './time.ts';

export interface StrategyTestOptions {
  from: string;
  to: string;
  at: string;
  /** `NAME=VALUE` each. */
  header?: string[];
  trunk?: string;
  sessionId?: string;
  file?: string;
}

/** Without `file`: the strategy that the switch would read. @throws GrecError CONFIG_INVALID, CONFIG_UNREADABLE */
export async function strategyCheck(context: CliContext, named: string | undefined): Promise<number> {
  const found = readStrategy(context, named);
  if (found === undefined) return reportNone(context);
  const { strategy, problems } = checkStrategy(found.text, found.trunks);
  if (context.json) {
    const valid = strategy !== undefined;
    context.printJson({ valid, file: found.file, problems, ...(strategy && summarize(strategy)) });
    return valid ? EXIT.ok : EXIT.config;
  }
  const { rules, routingPoints, external } = summarize(parseStrategy(found.text, found.file, found.trunks));
  context.print(
    `${found.file}: valid`,
    ...renderPairs(
      [
        ['rules', String(rules)],
        ['routing points', routingPoints.join(', ') || 'none'],
        ['external', external ?? 'none'],
      ],
      '  ',
    ),
  );
  return EXIT.ok;
}

function summarize({ rules, points, external }: Strategy) {
  return { rules: rules.length, routingPoints: [...points.keys()], external: external?.url ?? null };
}

function reportNone(context: CliContext): number {
  const { strategy } = context.config.paths;
  if (context.json) context.printJson({ valid: true, file: null, problems: [] });
  else context.print(`no strategy file (${strategy}): calls go to the number that is dialled`);
  return EXIT.ok;
}

/**
 * Prints the decision on a call, which rule made it, and why the rules before it did not.
 * @throws GrecError USAGE, CONFIG_INVALID, CONFIG_UNREADABLE
 */
export async function strategyTest(context: CliContext, options: StrategyTestOptions): Promise<number> {
  const found = readStrategy(context, options.file);
  const call = callOf(options);
  const now = readTime(options.at, Date.now());
  const passed: { rule: string; condition: string }[] = [];
  const strategy = found && parseStrategy(found.text, found.file, found.trunks);
  const onPassed = ({ name }: { name: string }, key: string) => passed.push({ rule: name, condition: key });
  const decision = strategy === undefined ? NOTHING : evaluate({ strategy, call, now, onPassed });
  const fallback = fallbackOf(strategy, call, now, decision);
  const shown = { file: found?.file ?? null, call, at: new Date(now).toISOString() };
  if (context.json)
    context.printJson({
      ...shown,
      ...showDecision(decision),
      fallback: fallback && showDecision(fallback),
      passed,
    });
  else context.print(...describe(context, options, { strategy, call, decision, fallback, passed }));
  return EXIT.ok;
}

/** What is decided when the external strategy does not answer; undefined when it is not asked. */
function fallbackOf(
  strategy: Strategy | undefined,
  call: StrategyCall,
  now: number,
  decision: Decision,
): Decision | undefined {
  if (strategy?.external === undefined || decision.route.kind !== 'external') return undefined;
  return applyRule({ strategy, call, now }, decision, strategy.external.fallback);
}

function callOf({ from, to, trunk, header = [], sessionId }: StrategyTestOptions): StrategyCall {
  if (sessionId !== undefined && !/^[0-9a-f]{32}$/i.test(sessionId))
    throw new GrecError('USAGE', `${JSON.stringify(sessionId)} is no session identifier`, {
      hint: 'it has 32 hexadecimal digits, as `grec show` prints them',
    });
  return {
    sessionId: sessionId?.toLowerCase() ?? randomBytes(16).toString('hex'),
    from,
    to,
    dn: trunk === undefined ? from : undefined,
    trunk,
    headers: Object.fromEntries(header.map(readHeader)),
  };
}

function readHeader(word: string): [string, string] {
  const [, name, value] = /^([^=:\s]+)\s*[=:]\s*(.*)$/s.exec(word) ?? [];
  if (name !== undefined && value !== undefined) return [name.toLowerCase(), value];
  throw new GrecError('USAGE', `${JSON.stringify(word)} is no header`, { hint: 'expected NAME=VALUE' });
}

/** A decision in the words of the file, which are those of an external strategy's answer. */
function showDecision({ rules, route, record, retention, attach }: Decision) {
  return {
    rule: rules.at(-1) ?? null,
    rules,
    decision: { ...showRoute(route), record: record?.word, retention, attach },
  };
}

function showRoute(route: RouteWord) {
  switch (route.kind) {
    case 'dn':
      return { route: { dn: route.dns, ring: route.ring, 'ring-time': route.ringTimeMs / 1000 } };
    case 'trunk':
      return { route: { trunk: route.trunk } };
    case 'reject':
      return { reject: { code: route.status, reason: route.reason } };
    case 'external':
      return { external: true };
    case 'dialled':
      return {};
  }
}

interface Outcome {
  strategy: Strategy | undefined;
  call: StrategyCall;
  decision: Decision;
  fallback: Decision | undefined;
  passed: readonly { rule: string; condition: string }[];
}

function describe(context: CliContext, { sessionId }: StrategyTestOptions, outcome: Outcome): string[] {
  const { strategy, call, decision, fallback, passed } = outcome;
  const external = strategy?.external;
  const pairs = describeDecision(decision, call);
  if (fallback !== undefined && external !== undefined)
    pairs.push(
      ['asked', `${external.url}, for ${external.timeoutMs} ms`],
      [
        'or else',
        describeDecision(fallback, call)
          .map(([key, value]) => `${key} ${value}`)
          .join('; '),
      ],
    );
  const made = sessionId === undefined ? ' (made up; --session-id gives one)' : '';
  pairs.push(['session', `${call.sessionId}${made}`]);
  const reasons = passed.map(({ rule, condition }): [string, string] => [
    printable(rule),
    `${condition} does not hold`,
  ]);
  return [
    ...renderPairs(pairs),
    ...(reasons.length === 0
      ? []
      : ['', context.paint('bold', 'did not match'), ...renderPairs(reasons, '  ')]),
  ];
}

function describeDecision(decision: Decision, call: StrategyCall): [string, string][] {
  const { rules, route, record, retention, attach } = decision;
  const data = Object.entries(attach).map(([key, value]) => `${key}=${value}`);
  return [
    ['rule', rules.map(printable).join(' / ') || 'none'],
    ['route', describeRoute(route, call)],
    [
      'record',
      record === undefined ? 'as the DNs and the trunk say' : `${record.word}, by rule ${record.rule}`,
    ],
    ...(retention === undefined ? [] : ([['retention', retention]] as [string, string][])),
    ['attached', data.join(', ') || 'nothing'],
  ];
}

function describeRoute(route: RouteWord, { to }: StrategyCall): string {
  switch (route.kind) {
    case 'dn': {
      const [first = '', ...others] = route.dns;
      if (others.length === 0) return `DN ${first}`;
      if (route.ring === 'together') return `DNs ${route.dns.join(', ')}, which ring together`;
      return `DNs ${route.dns.join(', ')} in order, ${route.ringTimeMs / 1000} s each`;
    }
    case 'trunk':
      return `${to} by trunk ${route.trunk}`;
    case 'reject':
      return `rejected with ${[route.status, route.reason].filter(Boolean).join(' ')}`;
    case 'external':
      return 'as the external strategy says';
    case 'dialled':
      return `to ${to}, the number that is dialled`;
  }
}

interface Found {
  file: string;
  text: string;
  /** Names of the trunks that a strategy may name. */
  trunks: string[];
}

/** The named file, or that of the configuration; undefined when there is none. @throws GrecError CONFIG_UNREADABLE */
function readStrategy(context: CliContext, named: string | undefined): Found | undefined {
  const { config } = context;
  const file = named === undefined ? config.paths.strategy : resolve(named);
  const trunks = config.trunk.map(({ name }) => name);
  try {
    return { file, text: readFileSync(file, 'utf8'), trunks };
  } catch (thrown) {
    const isExpected = named !== undefined || config.switch.strategy !== undefined;
    if (!isExpected && systemCode(thrown) === 'ENOENT') return undefined;
    throw new GrecError('CONFIG_UNREADABLE', `cannot read the strategy: ${messageOf(thrown)}`, {
      hint: 'man 5 grec-strategy tells where it is looked for',
      cause: thrown,
    });
  }
}
