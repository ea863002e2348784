// A TOML text against a schema: its values, or every mistake in it with line, key and what is accepted there.
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { GrecError, messageOf } from './errors.ts';
import { lineOf, locateKeys, showPath } from './toml-lines.ts';

export { showPath } from './toml-lines.ts';

export type KeyPath = readonly (string | number)[];

/** One mistake in a configuration file. */
export interface ConfigProblem {
  line: number | undefined;
  key: string;
  message: string;
}

export const flag = v.boolean('expected true or false');

export const text = (what: string) =>
  v.pipe(v.string(`expected ${what}`), v.minLength(1, `expected ${what}, not an empty string`));

/** A whole number. */
export const within = (least: number, most: number, what: string) => {
  const expected = `expected ${what} from ${least} to ${most}`;
  return v.pipe(
    v.number(expected),
    v.integer(expected),
    v.minValue(least, expected),
    v.maxValue(most, expected),
  );
};

export const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `expected one of ${values.map((value) => `"${value}"`).join(', ')}`);

/** A table. Arrays and dates are objects to valibot, not to TOML. */
export const table = <const T extends v.ObjectEntries>(entries: T) => {
  const inner = v.strictObject(entries);
  return v.pipe(v.custom<v.InferInput<typeof inner>>(isTable, 'expected a table'), inner);
};

/** A table that may be left out; its keys' defaults hold then. */
export const section = <const T extends v.ObjectEntries>(entries: T) => {
  const inner = table(entries);
  return v.optional(inner, {} as v.InferInput<typeof inner>);
};

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** A mistake that the schema alone cannot see: a name used twice, a reference to nothing. */
export interface Finding {
  path: KeyPath;
  message: string;
}

/**
 * The values of a text, or every mistake in it.
 * @param find looks at the text's raw values, whatever they are, for what the schema alone cannot see
 */
export function checkToml<const S extends v.GenericSchema>(
  schema: S,
  toml: string,
  find: (raw: unknown) => Finding[] = () => [],
): { values?: v.InferOutput<S>; problems: ConfigProblem[] } {
  let raw: unknown;
  try {
    raw = parse(toml);
  } catch (thrown) {
    const line = thrown instanceof TomlError ? thrown.line : undefined;
    return { problems: [{ line, key: '', message: messageOf(thrown).split('\n')[0] ?? 'not TOML' }] };
  }
  const result = v.safeParse(schema, raw);
  const findings = find(raw);
  if (result.success && findings.length === 0) return { values: result.output, problems: [] };
  const lines = locateKeys(toml);
  const problems = [
    ...(result.issues ?? []).flatMap((issue) => describeIssue(schema, issue, lines)),
    ...findings.map(({ path, message }) => ({ line: lineOf(lines, path), key: showPath(path), message })),
  ];
  // A number that is neither whole nor in its range is one mistake.
  const seen = new Set<string>();
  const once = problems.filter(({ key }) => !seen.has(key) && seen.add(key));
  // In the order of the file, as an editor is led through it.
  return { problems: once.sort((one, other) => (one.line ?? 0) - (other.line ?? 0)) };
}

/** The error of a file with these mistakes, each as `FILE:LINE: KEY: what is accepted`, one a line. */
export function invalidFile(file: string, problems: readonly ConfigProblem[], hint: string): GrecError {
  const shown = problems.map(({ line, key, message }) => {
    const place = line === undefined ? file : `${file}:${line}`;
    return key === '' ? `${place}: ${message}` : `${place}: ${key}: ${message}`;
  });
  return new GrecError('CONFIG_INVALID', shown.join('\n'), { hint });
}

function describeIssue(
  schema: unknown,
  issue: v.BaseIssue<unknown>,
  lines: Map<string, number>,
): ConfigProblem[] {
  const path = (issue.path ?? []).map((item) => item.key as string | number);
  const isUnknownKey = issue.type === 'strict_object' && issue.expected === 'never';
  if (!isUnknownKey) return [describe(issue, path, lines)];
  // valibot stops at the first unknown key of a table.
  const inTable = path.slice(0, -1);
  const accepted = acceptedKeys(schema, inTable);
  const unknown = Object.keys(issue.path?.at(-1)?.input ?? {}).filter((key) => !accepted.includes(key));
  return unknown.map((key) => ({
    line: lineOf(lines, [...inTable, key]),
    key: showPath([...inTable, key]),
    message: `unknown key; accepted here: ${accepted.join(', ')}`,
  }));
}

function describe(issue: v.BaseIssue<unknown>, path: KeyPath, lines: Map<string, number>): ConfigProblem {
  const problem = { line: lineOf(lines, path), key: showPath(path) };
  if (issue.received === 'undefined') return { ...problem, message: 'missing; it has no default' };
  // What is found of a text or list that is too short is its length, which helps nobody.
  if (issue.type === 'min_length') return { ...problem, message: issue.message };
  const isOwn = issue.message.startsWith('expected');
  const message = isOwn ? issue.message : `expected ${issue.expected ?? issue.kind}`;
  return { ...problem, message: `${message}; found ${issue.received}` };
}

function acceptedKeys(schema: unknown, path: KeyPath): string[] {
  let at: unknown = schema;
  for (const part of path) at = stepInto(unwrap(at), part);
  const entries = (unwrap(at) as { entries?: object }).entries;
  return Object.keys(entries ?? {});
}

function stepInto(at: unknown, part: string | number): unknown {
  if (typeof part === 'number') return (at as { item?: unknown }).item;
  return (at as { entries?: Record<string, unknown> }).entries?.[part];
}

function unwrap(at: unknown): unknown {
  const box = at as { wrapped?: unknown; pipe?: unknown[] } | undefined;
  if (box?.wrapped !== undefined) return unwrap(box.wrapped);
  const inner = box?.pipe?.find((step) => step !== at && isContainer(unwrap(step)));
  if (inner !== undefined) return unwrap(inner);
  return at ?? {};
}

function isContainer(schemaPart: unknown): boolean {
  const { entries, item } = schemaPart as { entries?: unknown; item?: unknown };
  return entries !== undefined || item !== undefined;
}
