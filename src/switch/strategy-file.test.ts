// The strategy file of a running switch: read, changed, replaced, broken, removed.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { StrategyFile } from './strategy-file.ts';

const rule = (name: string) => `[[rule]]\nname = "${name}"\n`;

function prepare(t: Test, more = '') {
  const directory = t.testdir();
  mkdirSync(join(directory, 'state'));
  writeFileSync(join(directory, 'grec.toml'), `state.directory = "state"\n${more}`);
  const load = () => loadConfig({ file: join(directory, 'grec.toml') });
  const open = (onChange?: () => void) => {
    const file = new StrategyFile(load(), silentLogger(), onChange);
    t.teardown(() => file.close());
    return file;
  };
  return { directory, load, open, file: join(directory, 'strategy.toml') };
}

const names = ({ strategy }: StrategyFile) => strategy?.rules.map(({ name }) => name);

/** Looks until it is so: files are watched by the system at its own pace. */
async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 10));
}

t.test('no file, no strategy', async (t) => {
  t.equal(prepare(t).open().strategy, undefined);
});

t.test('a file that is named must be there', async (t) => {
  const { open } = prepare(t, 'switch.strategy = "routes.toml"');
  t.throws(open, { code: 'CONFIG_UNREADABLE', hint: /\[switch\] strategy/ });
});

t.test('a change is taken over, written in place or put in place', async (t) => {
  const { open, file, directory } = prepare(t);
  writeFileSync(file, rule('one'));
  const taken: (string | undefined)[] = [];
  const strategy = open(() => taken.push(names(strategy)?.[0]));
  t.same(names(strategy), ['one']);
  writeFileSync(file, rule('two'));
  await until(() => names(strategy)?.[0] === 'two');
  t.same(taken, ['two'], 'it is told of');
  writeFileSync(join(directory, '.strategy.toml.swp'), rule('three'));
  renameSync(join(directory, '.strategy.toml.swp'), file);
  await until(() => names(strategy)?.[0] === 'three');
  writeFileSync(file, rule('four'));
  await until(() => names(strategy)?.[0] === 'four');
  rmSync(file);
  await until(() => strategy.strategy === undefined);
  t.pass('and removed');
});

t.test('a mistake leaves the last good one in force, now and after a restart', async (t) => {
  const { open, file, load } = prepare(t);
  writeFileSync(file, rule('good'));
  const strategy = open();
  writeFileSync(file, 'x = 1');
  await until(() => strategy.problem !== undefined);
  t.same(names(strategy), ['good']);
  t.match(strategy.problem, `${file}:1: x: unknown key`);
  const next = open();
  t.same(names(next), ['good']);
  t.match(next.problem, 'unknown key');
  writeFileSync(file, rule('mended'));
  next.reload(load());
  t.same(names(next), ['mended']);
  t.equal(next.problem, undefined);
});

t.test('a mistake in the first one is an error', async (t) => {
  const { open, file } = prepare(t);
  writeFileSync(file, 'x = 1');
  t.throws(open, { code: 'CONFIG_INVALID', message: `${file}:1: x: unknown key` });
});

t.test('the good one of another file is not taken', async (t) => {
  const { open, directory, file } = prepare(t, 'switch.strategy = "other.toml"');
  writeFileSync(join(directory, 'other.toml'), rule('other'));
  t.same(names(open()), ['other']);
  writeFileSync(join(directory, 'grec.toml'), 'state.directory = "state"');
  writeFileSync(file, 'x = 1');
  t.throws(open, { code: 'CONFIG_INVALID' });
});

t.test('a reload takes over another file, and other trunks', async (t) => {
  const { open, directory, file, load } = prepare(t);
  writeFileSync(file, rule('one'));
  const strategy = open();
  writeFileSync(join(directory, 'other.toml'), `${rule('other')}route.trunk = "carrier"`);
  const named = 'state.directory = "state"\nswitch.strategy = "other.toml"\n';
  writeFileSync(join(directory, 'grec.toml'), named);
  strategy.reload(load());
  t.match(strategy.problem, 'there is no [[trunk]] carrier');
  t.same(names(strategy), ['one']);
  writeFileSync(join(directory, 'grec.toml'), `${named}[[trunk]]\nname = "carrier"\nhost = "192.0.2.1"`);
  strategy.reload(load());
  t.same(names(strategy), ['other']);
  writeFileSync(join(directory, 'other.toml'), rule('later'));
  await until(() => names(strategy)?.[0] === 'later');
  t.pass('and the other file is watched');
});
