// What the processor takes of the journals.
import { join } from 'node:path';
import t from 'tap';
import { openCatalog } from '../catalog/catalog.ts';
import { silentLogger } from '../log.ts';
import { openJournal } from '../spool/journal.ts';
import { Journals } from './journals.ts';

t.test('a call that was refused is none to wait for, nor is a login', async (t) => {
  const directory = t.testdir();
  const log = silentLogger();
  const journal = openJournal({ directory, daemon: 'grec-sipd', log });
  const from = { number: '7002', uri: 'sip:7002@h' };
  const refused = { sessionId: 'a'.repeat(32), from, dialled: '7900', status: 480, reason: 'no' };
  journal.append({ type: 'call.refused', call: 'refused', ...refused });
  journal.append({ type: 'agent.loggedIn', agent: '2201', dn: '7001', by: 'control' });
  journal.append({ type: 'call.ringing', call: 'ringing' });
  await journal.close();
  const catalog = openCatalog(join(directory, 'catalog.db'));
  t.teardown(() => catalog.close());
  const journals = new Journals({ sources: [{ number: 0, journal: directory }], catalog, log });
  await journals.readAll();
  t.same(
    journals.calls().map(({ id }) => id),
    ['ringing'],
  );
  t.equal(journals.progress()['grec-sipd'], 3, 'they are read all the same');
});
