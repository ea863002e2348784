// The manual keeps up with the program: every key, command, option and exit status is in its page.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkConfig } from '../config.ts';
import { checkStrategy } from '../switch/strategy/read.ts';
import { readDns } from './dn-file.ts';
import { EXIT } from './exit-codes.ts';
import { emptyState, grec } from './fixtures/state.ts';

const MAN = join(import.meta.dirname, '..', '..', 'man');
const page = (name: string) => readFileSync(join(MAN, name), 'utf8');

/** The keys that a table of the configuration accepts, asked of the configuration itself. */
function acceptedIn(toml: string): string[] {
  const message =
    checkConfig(toml).problems.find((problem) => problem.message.startsWith('unknown key'))?.message ?? '';
  return message.replace('unknown key; accepted here: ', '').split(', ');
}

t.test('grec.toml.5 has every table and key', async (t) => {
  const text = page('grec.toml.5');
  const tables = [...acceptedIn('unheard-of = 1'), 'sip.tls', 'sip.limits', 'switch.defaults'];
  t.ok(tables.length >= 11);
  for (const table of tables) {
    const header = ['trunk', 'retention', 'storage'].includes(table) ? `[[${table}]]` : `[${table}]`;
    const [, section = ''] = text.split(`.Ss ${header}\n`);
    t.ok(section, header);
    const keys = acceptedIn(`${header}\nunheard-of = 1`);
    const described = [...(section.split(/^\.S[sh] /m)[0]?.matchAll(/^\.It Ic (\S+)/gm) ?? [])].map(
      ([, key]) => key,
    );
    t.strictSame(described, keys, header);
  }
});

/** The keys that a strategy accepts where `unheard-of` stands in it, asked of the strategy itself. */
function acceptedInStrategy(toml: string): string[] {
  const [first] = checkStrategy(toml).problems.filter(({ message }) => message.startsWith('unknown key'));
  return (first?.message ?? '').replace('unknown key; accepted here: ', '').split(', ');
}

t.test('grec-strategy.5 has every key', async (t) => {
  const text = page('grec-strategy.5');
  const section = (name: string) => text.split(`.Ss ${name}\n`)[1]?.split(/^\.S[sh] /m)[0] ?? '';
  const described = (name: string) => {
    const items = [...section(name).matchAll(/^\.It Ic (.+)/gm)].flatMap(([, keys = '']) =>
      keys.split(' , '),
    );
    return new Set(items.map((key) => key.replace(/^(route|reject)\./, '')));
  };
  const rule = '[[rule]]\nname = "r"\n';
  const tables = {
    '[[rule]]': acceptedInStrategy(`${rule}unheard-of = 1`),
    Conditions: acceptedInStrategy(`${rule}match.unheard-of = 1`),
    Actions: [
      ...acceptedInStrategy('default.unheard-of = 1').filter((key) => !['route', 'reject'].includes(key)),
      ...acceptedInStrategy('default.route.unheard-of = 1'),
      ...acceptedInStrategy('default.reject.unheard-of = 1'),
    ],
    '[[routing-point]]': acceptedInStrategy('[[routing-point]]\nunheard-of = 1'),
    '[external]': acceptedInStrategy('external.unheard-of = 1'),
  };
  for (const [name, keys] of Object.entries(tables))
    t.strictSame([...described(name)].sort(), [...keys].sort(), name);
  for (const key of acceptedInStrategy('unheard-of = 1')) t.match(text, key);
});

t.test('the examples of strategies are strategies', async (t) => {
  const written = [...page('grec-strategy.5').matchAll(/^\.Bd .*\n([\s\S]*?)^\.Ed/gm)].map(
    ([, toml = '']) => toml,
  );
  const [, ofReadme = ''] = /```toml\n(\[\[rule\]\][\s\S]*?)```/.exec(page('../README.md')) ?? [];
  t.equal(written.length, 2);
  for (const toml of [...written, ofReadme]) {
    const { strategy, problems } = checkStrategy(toml, ['carrier']);
    t.strictSame(problems, []);
    t.ok((strategy?.rules.length ?? 0) >= 2);
  }
});

t.test('the example of a file of DNs is one', async (t) => {
  const written = [...page('grec-dn.1').matchAll(/^\.Bd .*\n(\[\[dn[\s\S]*?)^\.Ed/gm)];
  t.equal(written.length, 1);
  t.equal(readDns(String(written[0]?.[1]), 'grec-dn.1').length, 2);
});

t.test('each command has its options in a page, and each page only real options', async (t) => {
  const state = emptyState(t);
  const pages = {
    up: 'grec-up.1',
    demo: 'grec-up.1',
    status: 'grec-up.1',
    'dn add': 'grec-dn.1',
    'dn set': 'grec-dn.1',
    'dn import': 'grec-dn.1',
    'dn export': 'grec-dn.1',
    'agent login': 'grec-agent.1',
    'agent logout': 'grec-agent.1',
    'agent list': 'grec-agent.1',
    why: 'grec-why.1',
    alarms: 'grec-alarms.1',
    reconcile: 'grec-reconcile.1',
    report: 'grec-report.1',
    transcript: 'grec-find.1',
    find: 'grec-find.1',
    'index status': 'grec-report.1',
    'index problems': 'grec-report.1',
    'index rebuild': 'grec-report.1',
    calls: 'grec-calls.1',
    start: 'grec-calls.1',
    pause: 'grec-calls.1',
    resume: 'grec-calls.1',
    stop: 'grec-calls.1',
    events: 'grec-calls.1',
    'strategy check': 'grec-strategy.1',
    'trunk list': 'grec-trunk.1',
    'strategy test': 'grec-strategy.1',
  };
  const more = {
    ls: 'grec-ls.1',
    show: 'grec-ls.1',
    play: 'grec-ls.1',
    export: 'grec-ls.1',
    import: 'grec-import.1',
    capture: 'grec-ls.1',
    hold: 'grec-purge.1',
    unhold: 'grec-purge.1',
    label: 'grec-purge.1',
    purge: 'grec-purge.1',
    failed: 'grec-failed.1',
    retry: 'grec-failed.1',
    storage: 'grec-storage.1',
    'storage test': 'grec-storage.1',
    audit: 'grec-audit.1',
    verify: 'grec-verify.1',
    reindex: 'grec-reindex.1',
    'key rotate': 'grec-verify.1',
    'config check': 'grec-config.1',
    'user add': 'grec-user.1',
    'user passwd': 'grec-user.1',
    'token add': 'grec-token.1',
    'token ls': 'grec-token.1',
  };
  const known = new Set(['config', 'no-color', 'version', 'help']);
  for (const [command, name] of Object.entries({ ...pages, ...more })) {
    const { out } = await grec(state, [...command.split(' '), '--help']);
    const options = [...out.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, option]) => String(option));
    for (const option of options) {
      known.add(option);
      const places = page(['config', 'no-color', 'version', 'help'].includes(option) ? 'grec.1' : name);
      t.match(places, `Fl Fl ${option}`, `${command} --${option} in ${name}`);
    }
  }
  for (const name of readdirSync(MAN).filter((file) => file.endsWith('.1')))
    for (const [, option] of page(name).matchAll(/Fl Fl ([a-z-]+)/g))
      t.ok(known.has(String(option)), `${name}: --${option}`);
});

t.test('grec.1 has every exit status', async (t) => {
  const [, section = ''] = page('grec.1').split('.Sh EXIT STATUS');
  const described = [...(section.split('.Sh ')[0] ?? '').matchAll(/^\.It (\d+)/gm)].map(([, code]) =>
    Number(code),
  );
  t.strictSame(described, Object.values(EXIT));
});
