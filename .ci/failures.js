// Reads a TAP log from standard input and prints what failed: the names down to it, and its diagnostic.
import { readFileSync } from 'node:fs';

const lines = readFileSync(0, 'utf8').split('\n');
const subtests = [];
let failures = 0;
for (let i = 0; i < lines.length; i++) {
  const [, indent, rest] = /^( *)(.*)$/.exec(lines[i]);
  const depth = indent.length / 4;
  const subtest = /^# Subtest: (.*)$/.exec(rest);
  if (subtest) subtests[depth] = subtest[1];
  if (!rest.startsWith('not ok') || / # (?:TODO|SKIP)/.test(rest)) continue;
  failures++;
  console.log(`\n${[...subtests.slice(0, depth), rest].join('\n  > ')}`);
  // The diagnostic: a YAML block, two deeper than the line that it belongs to.
  for (let k = i + 1; k < lines.length && k < i + 80 && lines[k].startsWith(`${indent}  `); k++) {
    console.log(lines[k].slice(indent.length));
    if (lines[k].trim() === '...') break;
  }
}
if (failures === 0) console.log(lines.slice(-100).join('\n'));
console.log(`\n${failures} lines of "not ok"`);
