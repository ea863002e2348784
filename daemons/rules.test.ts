// Each rule and each report of grec(7) has a test that is named after it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TITLE = /\bt\.test\(\s*['"`]((?:(?:rule|report) \d+(?:, )?)+): /g;

/** How many items the two lists of the section have. */
function listed(): { rule: number; report: number } {
  const section =
    readFileSync(join(ROOT, 'man', 'grec.7'), 'utf8')
      .split(/^\.Sh /m)
      .find((one) => one.startsWith('RULES')) ?? '';
  const [rule = 0, report = 0] = section
    .split('.Bl -enum')
    .slice(1)
    .map((list) => list.split(/^\.It$/m).length - 1);
  return { rule, report };
}

/** Of all tests, the numbers that their titles name. */
function tested(): { rule: Set<number>; report: Set<number> } {
  const found = { rule: new Set<number>(), report: new Set<number>() };
  const files = ['src', 'daemons'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join(ROOT, folder, name)),
  );
  for (const file of files)
    for (const [, names = ''] of readFileSync(file, 'utf8').matchAll(TITLE))
      for (const [, kind, number] of names.matchAll(/(rule|report) (\d+)/g))
        found[kind === 'rule' ? 'rule' : 'report'].add(Number(number));
  return found;
}

for (const kind of ['rule', 'report'] as const)
  t.test(`every ${kind} has its test, and every test its ${kind}`, async (t) => {
    const count = listed()[kind];
    t.ok(count >= 10);
    t.same(
      [...tested()[kind]].sort((one, other) => one - other),
      Array.from({ length: count }, (_, index) => index + 1),
    );
  });
