// Where in a TOML text each key stands, so that a mistake in a value can be reported with its line.

/** Joins a key path as messages show it: `sip.listen[1]`. */
export function showPath(path: readonly (string | number)[]): string {
  let shown = '';
  for (const part of path) {
    if (typeof part === 'number') shown += `[${part}]`;
    else shown += shown === '' ? part : `.${part}`;
  }
  return shown;
}

/**
 * Line numbers (from 1) by key path, for tables, arrays of tables and `key = value` lines. Keys inside inline
 * tables and arrays fall back to the line of the key that holds them (see {@link lineOf}).
 */
export function locateKeys(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  const counts = new Map<string, number>();
  let table = '';
  let insideString: string | undefined;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (insideString !== undefined) {
      if (line.includes(insideString)) insideString = undefined;
      continue;
    }
    const header = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/.exec(line);
    if (header?.[2] !== undefined) {
      table = placeTable(unquote(header[2]), header[1] === '[[', counts);
      lines.set(table, index + 1);
      continue;
    }
    const pair = /^\s*([A-Za-z0-9_."'-]+)\s*=\s*(.*)$/.exec(line);
    if (pair?.[1] === undefined) continue;
    const key = unquote(pair[1]);
    lines.set(table === '' ? key : `${table}.${key}`, index + 1);
    const opening = /^("""|''')(.*)$/.exec(pair[2] ?? '');
    if (opening?.[1] !== undefined && !opening[2]?.includes(opening[1])) insideString = opening[1];
  }
  return lines;
}

/**
 * The place of a header's table: `[rule.match]` after the second `[[rule]]` is `rule[1].match`.
 * @param counts how many tables each array of tables has so far, by its place
 */
function placeTable(name: string, isInArray: boolean, counts: Map<string, number>): string {
  const parts = name.split('.');
  let place = '';
  for (const [index, part] of parts.entries()) {
    place += place === '' ? part : `.${part}`;
    const count = counts.get(place);
    if (isInArray && index === parts.length - 1) {
      counts.set(place, (count ?? 0) + 1);
      place += `[${count ?? 0}]`;
    } else if (count !== undefined) place += `[${count - 1}]`;
  }
  return place;
}

/** The line of `path`, or of the nearest key around it; undefined when not even its table is written. */
export function lineOf(lines: Map<string, number>, path: readonly (string | number)[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const shown = showPath(path.slice(0, length));
    // An array of tables as a whole stands where its first table does.
    const line = lines.get(shown) ?? lines.get(`${shown}[0]`);
    if (line !== undefined) return line;
  }
  return undefined;
}

function unquote(key: string): string {
  return key
    .split('.')
    .map((part) => part.trim().replace(/^(["'])(.*)\1$/, '$2'))
    .join('.');
}
