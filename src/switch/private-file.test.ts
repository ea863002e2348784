// The databases of the switch cannot be read by everybody, whatever the umask, and however they came about.
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CallStore } from './call-store.ts';
import { DnStore } from './dn-store.ts';

t.test('new ones, and those that were open to everybody', async (t) => {
  const directory = t.testdir();
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  const open = () => [
    new DnStore(join(directory, 'switch.db')),
    new CallStore({ file: join(directory, 'calls.db'), onTrouble: () => {} }),
  ];
  const ofOthers = () =>
    readdirSync(directory).filter((name) => (statSync(join(directory, name)).mode & 0o007) !== 0);
  const fresh = open();
  t.same(ofOthers(), []);
  t.ok(readdirSync(directory).length >= 4, 'what SQLite keeps beside them too');
  for (const store of fresh) store.close();
  for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o644);
  const again = open();
  t.same(ofOthers(), []);
  for (const store of again) store.close();
});
