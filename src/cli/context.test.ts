// How commands are named to the operator: as this installation is called, and with this run's configuration.
import { join } from 'node:path';
import t from 'tap';
import { CliContext } from './context.ts';

const CHECKOUT = join(import.meta.dirname, '..', '..');

function contextIn(daemonsDirectory: string, config?: string): CliContext {
  return new CliContext({ daemonsDirectory }, { config, json: false, color: false });
}

t.test('in a checkout npx finds the program; an installed one is on the PATH', async (t) => {
  t.equal(contextIn(join(CHECKOUT, 'daemons')).command('ls'), 'npx grec ls');
  t.equal(contextIn(join(CHECKOUT, 'dist', 'daemons')).command('ls'), 'npx grec ls');
  t.equal(contextIn('/usr/lib/node_modules/grec/dist/daemons').command('ls'), 'grec ls');
});

t.test('commands in a hint are those that the operator can type', async (t) => {
  const hint = 'start it: `grec up`, or `systemctl start grec.target`; grec-procd and `last` stay';
  t.equal(contextIn('/nowhere').withCommands(hint), hint);
  t.equal(
    contextIn(join(CHECKOUT, 'daemons'), 'my files/grec.toml').withCommands(hint),
    "start it: `npx grec --config 'my files/grec.toml' up`, or `systemctl start grec.target`; grec-procd and `last` stay",
  );
});
