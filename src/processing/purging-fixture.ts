// A process that archives recordings, holds every third one and deletes the others, until it is killed; or that finishes such work.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repairChain } from '../archive/chain.ts';
import { type Archive, DAY, idOf, metadataOf } from '../archive/chained-fixture.ts';
import { AUDIO_FILE } from '../archive/metadata.ts';
import { removeLeftovers, stageRecording } from '../archive/write.ts';
import { auditLog } from '../audit/by-daemon.ts';
import { openCatalog } from '../catalog/catalog.ts';
import { checkConfig, loadConfig } from '../config.ts';
import { rowOfMetadata } from '../indexing/row-of-metadata.ts';
import { silentLogger } from '../log.ts';
import { LifeCycle } from './life-cycle.ts';

const [directory = '', signingKey = '', first = '0', how = 'go-on'] = process.argv.slice(2);
const archive: Archive = { directory, signingKey };
const base = join(directory, '..');
const catalog = openCatalog(join(base, 'catalog.db'));
const { values } = checkConfig('[[retention]]\nname = "default"\ndelete = "0d"');
if (values === undefined) throw new Error('no configuration');
const defaults = loadConfig({ env: {}, uid: 1 });
const paths = { ...defaults.paths, archive: directory, signingKey, spool: join(base, 'spool') };
const lifeCycle = new LifeCycle({
  config: { ...defaults, ...values, trunk: [], paths },
  catalog,
  log: silentLogger(),
  isMaking: () => false,
  note: auditLog(join(base, 'audit')),
  now: Date.now,
});
const request = { params: {}, query: new URLSearchParams(), body: undefined };

async function add(number: number): Promise<void> {
  const metadata = metadataOf(idOf(number), DAY);
  const staging = await stageRecording(archive, metadata.id, DAY);
  writeFileSync(join(staging.directory, AUDIO_FILE), `audio ${number}`);
  const path = await staging.publish(metadata);
  catalog.putRecording(rowOfMetadata(metadata, path), [], Date.now());
}

await removeLeftovers(directory, [DAY]);
await repairChain(directory);
lifeCycle.takeIn();
for (let number = Number(first); how === 'go-on'; number += 1) {
  if (catalog.deleted(idOf(number)) === undefined && catalog.get(idOf(number)) === undefined)
    await add(number);
  if (number % 3 === 0 && catalog.holdOn(idOf(number)) === undefined)
    await lifeCycle.act({
      ...request,
      params: { id: idOf(number) },
      body: { type: 'hold', reason: 'case 12' },
    });
  else await lifeCycle.purge(request);
  process.stdout.write(`${number}\n`);
}
await lifeCycle.purge(request);
catalog.close();
