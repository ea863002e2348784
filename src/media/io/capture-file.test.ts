// Captures on the disk: appended to where they end, whatever a refused write left behind.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCaptureFile } from './capture-file.ts';
import type { TapSink } from './udp-io.ts';

function append(sink: TapSink, text: string): Promise<unknown> {
  const bytes = Buffer.from(`..${text}`);
  const chunk = { bytes, words: undefined, start: 2, used: text.length, packets: [0, 0] as [number, number] };
  return new Promise((resolve) => sink.append(chunk, resolve));
}

t.test('a write that was refused is written over by the next', async (t) => {
  const path = join(t.testdir({ capture: 'header' }), 'capture');
  const file = await openCaptureFile(path);
  t.equal(await append(file, 'one'), undefined);
  appendFileSync(path, 'remains of a write that failed');
  t.equal(await append(file, 'two'), undefined);
  await file.close();
  t.equal(file.bytes, 12);
  t.equal(readFileSync(path, 'latin1').slice(0, file.bytes), 'headeronetwo');
});

t.test('a capture that is not there is refused, and none is made', async (t) => {
  const directory = t.testdir();
  await t.rejects(openCaptureFile(join(directory, 'capture')), { code: 'ENOENT' });
  writeFileSync(join(directory, 'capture'), '');
  t.equal((await openCaptureFile(join(directory, 'capture'))).bytes, 0);
});
