// What an earlier life left open is closed while calls go on, and tried again while the disk refuses.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { silentLogger } from '../log.ts';
import { createJournalReader, openJournal } from '../spool/journal.ts';
import { CAPTURE_FILE, FACTS_FILE } from '../spool/segment.ts';
import { openSegment } from '../spool/segment-writer.ts';
import { mountDisk, noDisk, unmountDisk } from '../testing/small-disk.ts';
import { startRepair } from './repair.ts';

const facts = { at: 1e15, host: 'here', ngCallId: 'c', streams: [] };

const TITLE = 'a segment that cannot be closed is tried again; one that began since is left alone';
t.test(TITLE, { skip: noDisk() }, async (t) => {
  const directory = t.testdir();
  const spool = join(directory, 'spool');
  mountDisk(spool, '256k');
  try {
    await repairOnFullDisk(t, directory, spool);
  } finally {
    unmountDisk(spool);
  }
});

async function repairOnFullDisk(t: Test, directory: string, spool: string): Promise<void> {
  const journal = openJournal({ directory, daemon: 'grec-mediad', log: silentLogger() });
  const old = await openSegment(spool, facts);
  await old.abandon();
  // Its capture has yet to be made, and there is no space for it.
  rmSync(join(old.directory, CAPTURE_FILE));
  const filler = join(spool, 'filler');
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k']);
  const repair = startRepair({ spool, journal, log: silentLogger(), retryMs: 5 });
  const alive = setTimeout(() => undefined, 20_000);
  await repair.firstRound;
  t.equal(repair.waiting, 1);
  rmSync(filler);
  const begun = await openSegment(spool, facts);
  while (repair.waiting > 0) await delay(5);
  t.match(readFileSync(join(old.directory, FACTS_FILE), 'utf8'), '"reason":"recovered"');
  t.notMatch(readFileSync(join(begun.directory, FACTS_FILE), 'utf8'), '"closed"');
  const { events } = createJournalReader({ directory, daemon: 'grec-mediad' }).read();
  t.match(events, [{ type: 'segment.closed', segment: old.id, reason: 'recovered' }]);
  t.equal(events.length, 1);
  await begun.abandon();
  clearTimeout(alive);
  await repair.stop();
  await journal.close();
}
