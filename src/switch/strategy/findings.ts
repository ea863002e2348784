// Mistakes in a strategy that no schema sees: names used twice, references to nothing, actions that exclude each other.
import { type Finding, isTable, type KeyPath } from '../../toml-schema.ts';
import { DEFAULT_RULE } from './evaluate.ts';
import { numberPattern, numberPatternProblem } from './pattern.ts';

/** A table of a strategy with its place in the file. Nothing is known of its values yet. */
interface Placed {
  path: KeyPath;
  raw: unknown;
}

/** What the actions of a strategy may refer to. */
export interface Known {
  /** Numbers of the routing points. */
  points: ReadonlySet<unknown>;
  /** Whether a rule looks for calls to this number, which is then that of a routing point among the DNs. */
  isRuled(number: string): boolean;
  /** Names of the trunks; undefined when these are not known. */
  trunks: readonly string[] | undefined;
}

/** @param trunks the names of the trunks in the configuration; undefined when these are not known */
export function findMistakes(raw: unknown, trunks: readonly string[] | undefined): Finding[] {
  const points = tablesOf({ path: [], raw }, 'routing-point');
  const rules = [{ path: [], raw }, ...points].flatMap((holder) => tablesOf(holder, 'rule'));
  const looked = tablesOf({ path: [], raw }, 'rule').flatMap(patternsOf);
  const isRuled = (number: string) => looked.some((pattern) => pattern.matches(number));
  const known = { points: new Set(points.map((point) => get(point.raw, 'number'))), isRuled, trunks };
  const byDefault = { path: ['default'], raw: get(raw, 'default') };
  return [
    ...findRepeated(points, 'number', 'routing point'),
    ...findRepeated(rules, 'name', 'rule'),
    ...rules.flatMap(findReservedName),
    ...rules.flatMap(findTwoSources),
    ...[...rules, byDefault].flatMap((one) => findInActions(one, known)),
    ...findInExternal(raw, rules, byDefault),
    ...findCircles(raw, points, rules),
  ];
}

/** The mistakes of one table of actions: a rule's, the default's, or an answer's. */
export function findInActions({ path, raw }: Placed, known: Known): Finding[] {
  const ways = ['route', 'reject', 'external'].filter((key) => isSet(get(raw, key)));
  const route = get(raw, 'route');
  return [
    ...ways.slice(1).map((key) => ({
      path: [...path, key],
      message: `expected one of route, reject and external; found ${ways.join(' and ')}`,
    })),
    ...(isTable(route) ? findInRoute(route, [...path, 'route'], known) : []),
  ];
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== false;
}

function findInRoute(route: Record<string, unknown>, path: KeyPath, known: Known): Finding[] {
  const ways = ['dn', 'trunk', 'routing-point'].filter((key) => route[key] !== undefined);
  const found: Finding[] = [];
  if (ways.length !== 1) {
    const message = `expected one of dn, trunk and routing-point; found ${ways.join(' and ') || 'none'}`;
    found.push({ path, message });
  }
  const { dn, ring, trunk, 'ring-time': time, 'routing-point': point } = route;
  const isList = Array.isArray(dn) && dn.length > 1;
  const several = 'it has a meaning only with several DNs in dn';
  if (Array.isArray(dn) && new Set(dn).size < dn.length)
    found.push({ path: [...path, 'dn'], message: 'expected each DN once' });
  if (ring !== undefined && !isList) found.push({ path: [...path, 'ring'], message: several });
  if (time !== undefined && (!isList || ring === 'together'))
    found.push({ path: [...path, 'ring-time'], message: `${several} that ring in order` });
  if (typeof point === 'string' && !known.points.has(point) && !known.isRuled(point)) {
    const message = `there is no [[routing-point]] ${point}, and no [[rule]] whose match.to fits it`;
    found.push({ path: [...path, 'routing-point'], message });
  }
  if (typeof trunk === 'string' && known.trunks?.includes(trunk) === false) {
    const message = `there is no [[trunk]] ${trunk}; there is: ${known.trunks.join(', ') || 'none'}`;
    found.push({ path: [...path, 'trunk'], message });
  }
  return found;
}

/** The numbers that a rule looks for. */
function patternsOf({ raw }: Placed) {
  const texts = [get(get(raw, 'match'), 'to')].flat();
  return texts.flatMap((text) =>
    typeof text === 'string' && numberPatternProblem(text) === undefined ? [numberPattern(text)] : [],
  );
}

function findRepeated(tables: readonly Placed[], key: string, what: string): Finding[] {
  const seen = new Set<unknown>();
  return tables.flatMap(({ path, raw }) => {
    const value = get(raw, key);
    if (value === undefined || !seen.has(value)) {
      seen.add(value);
      return [];
    }
    return [{ path: [...path, key], message: `another ${what} has this ${key}: ${String(value)}` }];
  });
}

function findReservedName({ path, raw }: Placed): Finding[] {
  if (get(raw, 'name') !== DEFAULT_RULE) return [];
  const message = `"${DEFAULT_RULE}" is what the [default] is called; expected another name`;
  return [{ path: [...path, 'name'], message }];
}

function findTwoSources({ path, raw }: Placed): Finding[] {
  const match = get(raw, 'match');
  if (get(match, 'dn') === undefined || get(match, 'trunk') === undefined) return [];
  const message = 'a call comes from a DN or from a trunk, never from both: expected match.dn or match.trunk';
  return [{ path: [...path, 'match', 'trunk'], message }];
}

function findInExternal(raw: unknown, rules: readonly Placed[], byDefault: Placed): Finding[] {
  const external = get(raw, 'external');
  const asking = [...rules, byDefault].filter((one) => get(one.raw, 'external') === true);
  if (external === undefined)
    return asking.map(({ path }) => ({
      path: [...path, 'external'],
      message: 'there is no [external] to ask',
    }));
  const found: Finding[] = [];
  if (asking.length === 0)
    found.push({
      path: ['external'],
      message: 'nothing asks it: expected external = true in a rule or in [default]',
    });
  const fallback = get(external, 'fallback');
  if (typeof fallback === 'string' && !rules.some((rule) => get(rule.raw, 'name') === fallback))
    found.push({ path: ['external', 'fallback'], message: `there is no rule "${fallback}"` });
  return found;
}

/**
 * Routing points that lead back to themselves, and a fallback that asks the external strategy again. A rule that asks leads
 * to the fallback.
 */
function findCircles(raw: unknown, points: readonly Placed[], rules: readonly Placed[]): Finding[] {
  const fallback = get(get(raw, 'external'), 'fallback');
  const rulesOf = new Map(points.map((point) => [get(point.raw, 'number'), tablesOf(point, 'rule')]));
  const next = ({ raw: rule }: Placed): Placed[] => {
    if (get(rule, 'external') === true) return rules.filter((one) => get(one.raw, 'name') === fallback);
    const point = get(get(rule, 'route'), 'routing-point');
    return point === undefined ? [] : (rulesOf.get(point) ?? []);
  };
  return rules.flatMap((rule) => {
    if (!leadsBack(rule, next)) return [];
    const isAsking = get(rule.raw, 'external') === true;
    const path = isAsking ? ['external', 'fallback'] : [...rule.path, 'route', 'routing-point'];
    const message = isAsking ? 'the fallback leads back to the external strategy' : 'it leads in a circle';
    return [{ path, message }];
  });
}

function leadsBack(start: Placed, next: (rule: Placed) => Placed[]): boolean {
  const seen = new Set<unknown>();
  const waiting = [...next(start)];
  for (let rule = waiting.pop(); rule !== undefined; rule = waiting.pop()) {
    if (rule.raw === start.raw) return true;
    if (seen.has(rule.raw)) continue;
    seen.add(rule.raw);
    waiting.push(...next(rule));
  }
  return false;
}

function tablesOf({ path, raw }: Placed, key: string): Placed[] {
  const list = get(raw, key);
  if (!Array.isArray(list)) return [];
  return list.map((one: unknown, index) => ({ path: [...path, key, index], raw: one }));
}

function get(raw: unknown, key: string): unknown {
  return isTable(raw) && Object.hasOwn(raw, key) ? raw[key] : undefined;
}
