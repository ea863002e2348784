// What an earlier life left open is closed while calls go on, and tried again while the disk refuses.
import { mkdirSync, readFileSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { silentLogger } from '../log.ts';
import { createJournalReader, openJournal } from '../spool/journal.ts';
import { FACTS_FILE } from '../spool/segment.ts';
import { openSegment } from '../spool/segment-writer.ts';
import { startRepair } from './repair.ts';

const facts = { at: 1e15, host: 'here', ngCallId: 'c', streams: [] };

t.test('a segment that cannot be closed is tried again; one that began since is left alone', async (t) => {
  const directory = t.testdir({ spool: {} });
  const spool = join(directory, 'spool');
  const journal = openJournal({ directory, daemon: 'grec-mediad', log: silentLogger() });
  const old = await openSegment(spool, facts);
  await old.abandon();
  // A folder in the facts' place: neither read nor written, as little as on a disk that fails.
  renameSync(join(old.directory, FACTS_FILE), join(directory, 'facts'));
  mkdirSync(join(old.directory, FACTS_FILE));
  const repair = startRepair({ spool, journal, log: silentLogger(), retryMs: 5 });
  const alive = setTimeout(() => undefined, 20_000);
  t.teardown(async () => {
    clearTimeout(alive);
    await repair.stop();
    await journal.close();
  });
  const begun = await openSegment(spool, facts);
  await repair.firstRound;
  t.equal(repair.waiting, 1);
  rmdirSync(join(old.directory, FACTS_FILE));
  renameSync(join(directory, 'facts'), join(old.directory, FACTS_FILE));
  while (repair.waiting > 0) await delay(5);
  t.match(readFileSync(join(old.directory, FACTS_FILE), 'utf8'), '"reason":"recovered"');
  t.notMatch(readFileSync(join(begun.directory, FACTS_FILE), 'utf8'), '"closed"');
  const { events } = createJournalReader({ directory, daemon: 'grec-mediad' }).read();
  t.match(events, [{ type: 'segment.closed', segment: old.id, reason: 'recovered' }]);
  await begun.abandon();
});
