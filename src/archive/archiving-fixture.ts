// A process that archives recordings, new ones and old ones made again, until it is killed.
import { repairChain } from './chain.ts';
import { type Archive, DAY, record } from './chained-fixture.ts';
import { removeLeftovers } from './write.ts';

const [directory = '', signingKey = '', first = '0'] = process.argv.slice(2);
const archive: Archive = { directory, signingKey };

await removeLeftovers(directory, [DAY]);
await repairChain(directory);
for (let count = Number(first); ; count += 1) {
  // Every third one is made again.
  const number = count % 3 === 2 ? count - 2 : count;
  await record(archive, number + 1, { audio: Buffer.from(`audio ${count}`), at: DAY });
  process.stdout.write(`${count + 1}\n`);
}
