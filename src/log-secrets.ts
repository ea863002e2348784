// Secrets in what is logged: masked wherever they stand. A look at each line is all that nearly every line costs.

/** Keys whose values are secrets. */
const SECRET_KEYS = new Set(['password', 'ha1', 'secret', 'token', 'authorization', 'master', 'keyAndSalt']);
/** How deep they are looked for: `key`, `x.key`, `x.y.key`. */
const DEEPEST = 3;
const CENSOR = '[secret]';

type Fields = Record<string, unknown>;

/** The fields of a line without secrets: the same object when there are none. */
export function withoutSecrets(fields: Fields): Fields {
  return hasSecret(fields, DEEPEST) ? (masked(fields, DEEPEST) as Fields) : fields;
}

function hasSecret(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  for (const key in value) {
    if (SECRET_KEYS.has(key)) return true;
    if (depth > 1 && hasSecret((value as Fields)[key], depth - 1)) return true;
  }
  return false;
}

function masked(value: unknown, depth: number): unknown {
  if (depth === 0 || !hasSecret(value, depth)) return value;
  if (Array.isArray(value)) return value.map((element) => masked(element, depth - 1));
  const entries = Object.entries(value as Fields).map(([key, field]) => [
    key,
    SECRET_KEYS.has(key) ? CENSOR : masked(field, depth - 1),
  ]);
  return value instanceof Error ? copyOf(value, entries) : Object.fromEntries(entries);
}

/** Still an error for who prints it, with other fields. */
function copyOf(error: Error, entries: unknown[][]): Error {
  const { message, stack, cause } = error;
  const copy = Object.create(Object.getPrototypeOf(error)) as Error;
  return Object.assign(copy, { message, stack, cause }, Object.fromEntries(entries));
}
