// Copies of recordings: nothing is lost while a storage takes none, what can never succeed fails with its reason, and what
// came last is what stands there in the end.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  type Archive,
  DAY,
  emptyArchive,
  folderOf,
  idOf,
  metadataOf,
  record,
} from '../archive/chained-fixture.ts';
import { type CatalogWriter, openCatalog } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { failedUploads, retryUpload } from '../catalog/uploads.ts';
import { checkConfig, loadConfig } from '../config.ts';
import { rowOfMetadata } from '../indexing/row-of-metadata.ts';
import { silentLogger } from '../log.ts';
import { DavServer } from '../testing/dav-server.ts';
import { S3Server, type S3ServerOptions } from '../testing/s3-server.ts';
import { Uploads } from './uploads.ts';

const DAY_MS = 86_400_000;

class Site {
  readonly server = new DavServer();
  readonly archive: Archive;
  readonly removed: unknown[] = [];
  catalog: CatalogWriter;
  uploads: Uploads | undefined;
  url = '';
  now = DAY + DAY_MS;
  readonly #t: Test;

  constructor(t: Test) {
    this.#t = t;
    this.archive = emptyArchive(t);
    this.catalog = openCatalog(join(this.archive.directory, '..', 'catalog.db'));
    t.teardown(async () => {
      await this.uploads?.stop();
      this.catalog.close();
      this.server.close();
    });
  }

  /** A processor begins; `more` are lines of its storage. */
  async start(more = '', type = 'webdav'): Promise<void> {
    if (this.url === '') this.url = await this.server.listen();
    const toml = `[[storage]]\nname = "dav"\ntype = "${type}"\nurl = "${this.url}"\n${more}`;
    const { values } = checkConfig(toml);
    if (values === undefined) throw new Error('no configuration');
    const paths = { ...loadConfig({ env: {}, uid: 1 }).paths, archive: this.archive.directory };
    const note = async (_: unknown, ...entries: unknown[]) => this.removed.push(...entries);
    const options = {
      catalog: this.catalog,
      log: silentLogger(),
      note,
      now: () => this.now + Math.floor(performance.now()),
      firstPauseMs: 2,
    };
    this.uploads = new Uploads({ config: { storage: values.storage, paths }, ...options });
    this.uploads.register();
  }

  async record(number: number, audio: string, more: Partial<RecordingRow> = {}): Promise<void> {
    const path = await record(this.archive, number, { audio: Buffer.from(audio), at: DAY });
    this.catalog.putRecording(
      { ...rowOfMetadata(metadataOf(idOf(number), DAY), path), ...more },
      [],
      this.now,
    );
  }

  /** Rounds, until it is so. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    for (const end = performance.now() + 15_000; !isSo(); await delay(2)) {
      this.uploads?.round();
      if (performance.now() > end)
        throw new Error(
          `not ${what}: ${JSON.stringify(this.catalog.uploads.failed().concat([1, 2, 3].flatMap((number) => this.catalog.uploads.of(idOf(number)))))}`,
        );
    }
  }

  states(...numbers: number[]): string[] {
    return numbers.flatMap((number) =>
      this.catalog.uploads
        .of(idOf(number))
        .map(({ task, state, attempts }) => `${task} ${state} ${attempts}`),
    );
  }

  untilDone(...numbers: number[]): Promise<void> {
    return this.until('copied', () => {
      const states = numbers.map((number) => this.catalog.uploads.of(idOf(number))[0]);
      return states.every((row) => row?.state === 'done' && row.task === 'copy');
    });
  }

  /** What differs between the archive and what the server has. */
  requireSame(...numbers: number[]): void {
    for (const number of numbers) {
      const directory = folderOf(this.archive, number);
      const there = `/2026/01/31/${idOf(number)}/`;
      const names = [...this.server.files.keys()].filter((name) => name.startsWith(there));
      this.#t.same(names.map((name) => name.slice(there.length)).sort(), readdirSync(directory).sort());
      for (const name of readdirSync(directory))
        this.#t.ok(this.server.files.get(there + name)?.equals(readFileSync(join(directory, name))), name);
    }
  }

  puts(name: string): number {
    return this.server.asked.filter((line) => line.startsWith('PUT') && line.includes(name)).length;
  }
}

async function prepare(t: Test, count: number): Promise<Site> {
  const site = new Site(t);
  await site.start();
  for (let number = 1; number <= count; number += 1) await site.record(number, `audio ${number}`);
  return site;
}

t.test('each is copied, with its key; the manifest comes last', async (t) => {
  const site = await prepare(t, 3);
  await site.untilDone(1, 2, 3);
  site.requireSame(1, 2, 3);
  const ofFirst = site.server.asked.filter((line) => line.startsWith('MOVE') && line.includes(idOf(1)));
  t.match(ofFirst.at(-1), 'manifest.json.part');
  t.match([...site.server.files.keys()].join(), /\/keys\/[0-9a-f]{64}\.pem/);
  t.equal(site.puts('/keys/'), 1, 'its key is put once');
  t.match(site.catalog.uploads.figures(), [
    { storage: 'dav', copies: 3, waiting: 0, failed: 0, oldest: null },
  ]);
});

t.test('report: an archive that is away for hours loses nothing, and one alarm says so', async (t) => {
  const site = await prepare(t, 5);
  site.server.meddle = (_, request, response) => {
    request.resume();
    response.writeHead(503).end();
    return true;
  };
  await site.until('tried often', () => site.server.asked.length >= 5);
  t.same(failedUploads(site.catalog), []);
  t.match(site.catalog.uploads.problems(), [{ storage: 'dav', problem: /answered 503/ }]);
  t.equal(site.catalog.uploads.figures()[0]?.waiting, 5);
  t.match(site.catalog.alarms(), [{ subject: 'storage dav' }]);
  t.equal(site.catalog.alarmCount(), 1);
  site.server.meddle = undefined;
  await site.untilDone(1, 2, 3, 4, 5);
  t.equal(site.catalog.alarmCount(), 0, 'the alarm is answered');
  t.same(site.catalog.uploads.problems(), []);
  site.requireSame(1, 2, 3, 4, 5);
});

t.test('a file that is never taken fails with its reason, alarms once, and can be tried again', async (t) => {
  const site = new Site(t);
  site.server.meddle = ({ method, path }, request, response) => {
    if (method !== 'PUT' || !path.includes(idOf(2))) return false;
    request.resume();
    response.writeHead(413).end();
    return true;
  };
  await site.start();
  for (const number of [1, 2, 3]) await site.record(number, `audio ${number}`);
  await site.until('failed', () => failedUploads(site.catalog).length > 0);
  await site.untilDone(1, 3);
  t.match(failedUploads(site.catalog), [
    { recording: idOf(2), storage: 'dav', attempts: 5, reason: /PUT .* the storage answered 413/ },
  ]);
  t.match(site.catalog.alarms(), [
    { subject: `copy dav:${idOf(2)}`, message: /not copied to storage dav.*413/ },
  ]);
  t.same(site.catalog.uploads.problems(), [], 'the storage itself is well');
  site.server.meddle = undefined;
  t.equal(retryUpload(site.catalog, idOf(1)), 0);
  t.equal(retryUpload(site.catalog, idOf(2), 'another'), 0);
  t.equal(retryUpload(site.catalog, idOf(2), 'dav'), 1);
  await site.untilDone(2);
  site.requireSame(2);
  t.equal(site.catalog.alarmCount(), 0);
  t.equal(site.catalog.alarmCount('all'), 1);
});

t.test('403 for one while others are taken fails that one; 403 for all waits', async (t) => {
  const site = await prepare(t, 2);
  const refuse = (part: string): DavServer['meddle'] => {
    return ({ path }, request, response) => {
      if (!path.includes(part)) return false;
      request.resume();
      response.writeHead(403).end();
      return true;
    };
  };
  site.server.meddle = refuse('/');
  await site.until('tried often', () => site.server.asked.length >= 9);
  t.same(failedUploads(site.catalog), []);
  site.server.meddle = refuse(idOf(1));
  await site.untilDone(2);
  site.now += 1000;
  await site.record(3, 'another');
  await site.untilDone(3);
  await site.until('failed', () => failedUploads(site.catalog).length === 1);
  t.match(failedUploads(site.catalog), [{ recording: idOf(1), reason: /403/ }]);
});

t.test('what is still to be copied after retry-for has failed', async (t) => {
  const site = await prepare(t, 1);
  site.server.meddle = (_, request, response) => {
    request.resume();
    response.writeHead(500).end();
    return true;
  };
  await site.until('tried', () => site.server.asked.length >= 6);
  site.now += 39 * DAY_MS;
  const { length } = site.server.asked;
  await site.until('tried again', () => site.server.asked.length > length + 1);
  t.same(failedUploads(site.catalog), []);
  site.now += 2 * DAY_MS;
  await site.until('failed', () => failedUploads(site.catalog).length === 1);
});

t.test('a storage that gives back something else has no copy, and no manifest', async (t) => {
  const site = await prepare(t, 1);
  site.server.meddle = ({ method, path }, _, response) => {
    if (method !== 'GET' || !path.endsWith('audio.wav')) return false;
    response.end('audio 2');
    return true;
  };
  await site.until('failed', () => failedUploads(site.catalog).length === 1);
  t.match(failedUploads(site.catalog), [
    { reason: /audio\.wav: what was read back is not what was put: its SHA-256/ },
  ]);
  t.notOk([...site.server.files.keys()].some((name) => name.endsWith('manifest.json')));
});

t.test('a recording that is damaged in the archive is not copied, and says so', async (t) => {
  const site = new Site(t);
  await site.start();
  await site.record(1, 'audio 1');
  await site.record(2, 'audio 2');
  await site.record(3, 'audio 3');
  writeFileSync(join(folderOf(site.archive, 1), 'audio.wav'), 'audio X');
  writeFileSync(join(folderOf(site.archive, 2), 'audio.wav'), 'longer than it was');
  await site.until('failed', () => failedUploads(site.catalog).length === 2);
  await site.untilDone(3);
  const reasons = failedUploads(site.catalog).map(({ reason }) => reason);
  t.match(reasons, [/audio\.wav is not as it was archived/, /audio\.wav has 18 bytes, the manifest says 7/]);
});

t.test('made again while it is copied: what came last stands there', async (t) => {
  const site = await prepare(t, 1);
  const seen = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let isFirst = true;
  site.server.meddle = async ({ method, path }) => {
    if (!isFirst || method !== 'PUT' || !path.includes('.manifest.json')) return false;
    isFirst = false;
    seen.resolve();
    await goOn.promise;
    return false;
  };
  site.uploads?.round();
  await seen.promise;
  await site.record(1, 'made again, and longer');
  site.uploads?.round();
  goOn.resolve();
  await site.untilDone(1);
  site.requireSame(1);
  t.equal(site.catalog.uploads.of(idOf(1))[0]?.round, 2);
});

t.test('deleted while it is copied: nothing of it stands there, and the audit log says so', async (t) => {
  const site = await prepare(t, 2);
  await site.untilDone(1, 2);
  await site.record(1, 'made again');
  const seen = Promise.withResolvers<void>();
  site.server.meddle = ({ method, path }) => {
    if (method !== 'PUT' || !path.includes('.audio.wav')) return false;
    t.notOk(site.server.files.has(`/2026/01/31/${idOf(1)}/manifest.json`), 'nobody says that all is there');
    seen.resolve();
    return false;
  };
  site.uploads?.round();
  await seen.promise;
  site.catalog.acts.delete({ id: idOf(1), at: '2026-02-01T00:00:00.000Z', rule: 'test', act: 9 });
  site.catalog.acts.forget(idOf(1));
  await site.until('gone', () => site.catalog.uploads.of(idOf(1)).length === 0);
  t.same(
    [...site.server.files.keys()].filter((name) => name.includes(idOf(1))),
    [],
  );
  t.match(site.removed, [{ what: 'delete-copy', recording: idOf(1), details: { storage: 'dav' } }]);
  site.requireSame(2);
});

t.test('a restart goes on where it was: what has been put is not put again', async (t) => {
  const site = await prepare(t, 1);
  const seen = Promise.withResolvers<void>();
  site.server.meddle = ({ method, path }) => {
    const isLater = method === 'PUT' && path.includes('.manifest.sig');
    if (isLater) seen.resolve();
    return isLater;
  };
  site.uploads?.round();
  await seen.promise;
  await site.uploads?.stop();
  t.same(site.states(1), ['copy waiting 0'], 'to be stopped is no failure');
  t.notOk([...site.server.files.keys()].some((name) => name.endsWith('manifest.json')));
  site.server.meddle = undefined;
  await site.start();
  await site.untilDone(1);
  site.requireSame(1);
  t.equal(site.puts('.audio.wav'), 1);
});

t.test('a storage that is new takes what there is; a lost catalog puts nothing twice', async (t) => {
  const site = new Site(t);
  await site.record(1, 'audio 1');
  await site.record(2, 'audio 2');
  await site.start();
  await site.untilDone(1, 2);
  await site.uploads?.stop();
  const rows = site.catalog.list();
  site.catalog.close();
  site.catalog = openCatalog(join(site.archive.directory, '..', 'new.db'));
  for (const row of rows) site.catalog.putRecording(row, [], site.now);
  await site.start();
  await site.untilDone(1, 2);
  t.equal(site.puts('.audio.wav'), 2);
  site.requireSame(1, 2);
});

t.test('a storage takes what it is to take', async (t) => {
  const site = new Site(t);
  await site.start('retention = ["default", "sales"]\ndn = ["7001", "80*"]');
  await site.record(1, 'no class', { dn: '7001', retention: '' });
  await site.record(2, 'another class', { dn: '7001', retention: 'secret' });
  await site.record(3, 'another dn', { dn: '70012', retention: 'sales' });
  await site.record(4, 'a pattern', { dn: '8055', retention: 'sales' });
  await site.record(5, 'no dn', { dn: null, retention: 'sales' });
  await site.untilDone(1, 4);
  t.same(site.states(2, 3, 5), []);
});

t.test('what has become part of another recording is copied as it is then', async (t) => {
  const site = await prepare(t, 2);
  await site.untilDone(1, 2);
  // Of the second one its metadata alone is left.
  await record(site.archive, 2, { audio: Buffer.from('pointer'), at: DAY });
  const row = site.catalog.get(idOf(1));
  if (row !== undefined) site.catalog.putRecording(row, [], site.now, { joins: [idOf(2)] });
  await site.until('copied again', () => site.catalog.uploads.of(idOf(2))[0]?.round === 2);
  await site.untilDone(1, 2);
  site.requireSame(1, 2);
});

t.test('no more than two at a time, and one that waits holds up none', async (t) => {
  const site = await prepare(t, 6);
  let most = 0;
  const open = new Set<string>();
  site.server.meddle = ({ path }) => {
    const id = /019aa000-[0-9a-f-]{27}/.exec(path)?.[0];
    if (id !== undefined) open.add(id);
    const active = site.uploads?.active ?? 0;
    most = Math.max(most, active);
    return false;
  };
  await site.untilDone(1, 2, 3, 4, 5, 6);
  t.equal(open.size, 6);
  t.equal(most, 2);
});

t.test('a failed copy is listed, and tried again when it is asked for', async (t) => {
  const site = await prepare(t, 1);
  let status = 413;
  site.server.meddle = ({ method }, request, response) => {
    if (method !== 'PUT' || status === 0) return false;
    request.resume();
    response.writeHead(status).end();
    return true;
  };
  await site.until('failed', () => failedUploads(site.catalog).length === 1);
  const { failed } = site.uploads ?? {};
  if (failed === undefined) throw new Error('not started');
  const id = `dav:${idOf(1)}`;
  t.match(failed.list(), [
    { kind: 'copy', id, reason: /413/, isRetryable: true, details: { storage: 'dav', attempts: 5 } },
  ]);
  t.match(await failed.retry(id), { id, isDone: false, state: 'waiting', reason: /413/ });
  for (const unknown of ['', id, 'dav', `other:${idOf(1)}`])
    await t.rejects(failed.retry(unknown), { code: 'RECORDING_UNKNOWN' }, unknown);
  await site.until('failed again', () => failedUploads(site.catalog).length === 1);
  status = 0;
  t.match(await failed.retry(id), { id, isDone: true, state: 'done', reason: null });
  t.same(failed.list(), []);
  site.requireSame(1);
});

t.test(
  'by S3: a large recording goes in parts, and one that was cut off leaves no parts behind',
  async (t) => {
    const account = { bucket: 'calls', accessKey: 'AK', secretKey: 'secret', region: 'us-east-1' };
    const server = new S3Server(account);
    t.teardown(() => server.close());
    const site = new Site(t);
    site.url = await server.listen();
    const secret = join(site.archive.directory, '..', 'secret');
    writeFileSync(secret, 'secret', { mode: 0o600 });
    const lines = [`bucket = "calls"`, `access-key = "AK"`, `secret-key-file = "${secret}"`, 'part-size = 5'];
    await site.start(lines.join('\n'), 's3');
    await site.record(1, 'words '.repeat(2 << 20));
    let parts = 0;
    const cut: S3ServerOptions['meddle'] = ({ query }, response) => {
      if (query.has('partNumber')) parts += 1;
      if (parts !== 2) return false;
      response.destroy();
      return true;
    };
    server.meddle = cut;
    await site.untilDone(1);
    t.ok(parts > 3, 'a second attempt was made');
    t.equal(server.uploads.size, 0);
    const there = server.objects.get(`2026/01/31/${idOf(1)}/audio.wav`);
    t.ok(there?.equals(readFileSync(join(folderOf(site.archive, 1), 'audio.wav'))));
    site.catalog.acts.delete({ id: idOf(1), at: '2026-02-01T00:00:00.000Z', rule: 'test', act: 9 });
    await site.until('gone', () => site.catalog.uploads.of(idOf(1)).length === 0);
    t.match([...server.objects.keys()], [/^keys\//]);
  },
);

t.test('what a clock that was ahead has put off is not put off for ever', async (t) => {
  const site = new Site(t);
  await site.start();
  site.now += 400 * DAY_MS;
  await site.record(1, 'audio 1');
  site.server.meddle = (_, request, response) => {
    request.resume();
    response.writeHead(500).end();
    return true;
  };
  await site.until('tried', () => site.server.asked.length > 1);
  site.server.meddle = undefined;
  site.now -= 400 * DAY_MS;
  await site.untilDone(1);
});

t.test(
  'a configuration that is read again: other storages, and what was under way begins again',
  async (t) => {
    const site = await prepare(t, 2);
    const other = new DavServer();
    t.teardown(() => other.close());
    const seen = Promise.withResolvers<void>();
    site.server.meddle = () => {
      seen.resolve();
      return true;
    };
    site.uploads?.round();
    await seen.promise;
    const table = (name: string, url: string) =>
      `[[storage]]\nname = "${name}"\ntype = "webdav"\nurl = "${url}"\n`;
    const { values } = checkConfig(table('dav', await other.listen()) + table('new', site.url));
    site.server.meddle = undefined;
    await site.uploads?.use(values?.storage ?? []);
    await site.until('copied to both', () => {
      const rows = [1, 2].flatMap((number) => site.catalog.uploads.of(idOf(number)));
      return rows.length === 4 && rows.every(({ state }) => state === 'done');
    });
    site.requireSame(1, 2);
    t.same([...other.files.keys()].sort(), [...site.server.files.keys()].sort());
    await site.uploads?.use([]);
    t.equal(site.uploads?.status(), undefined);
  },
);

t.test('grec reindex: what is copied stays so, and what waits goes on waiting', async (t) => {
  const site = new Site(t);
  site.server.meddle = ({ method, path }, request, response) => {
    if (method === 'DELETE' || (method === 'PUT' && path.includes(idOf(3)))) {
      request.resume();
      response.writeHead(503).end();
      return true;
    }
    return false;
  };
  await site.start();
  await site.record(1, 'audio 1');
  await site.record(2, 'audio 2');
  await site.untilDone(1, 2);
  await site.record(3, 'audio 3');
  await site.until('tried', () => site.states(3).some((state) => !state.endsWith(' 0')));
  await site.uploads?.stop();
  const rows = site.catalog.list();
  site.catalog.close();
  // The new one is of an archive in which one was deleted, and which has one that nobody knew of.
  const file = join(site.archive.directory, '..', 'catalog.db');
  site.catalog = openCatalog(`${file}.new`);
  for (const row of rows) site.catalog.putRecording(row, [], site.now);
  await site.record(4, 'audio 4');
  site.catalog.acts.delete({ id: idOf(1), at: '2026-02-01T00:00:00.000Z', rule: 'test', act: 9 });
  site.catalog.acts.forget(idOf(1));
  t.equal(site.catalog.uploads.takeOver(file), true);
  t.equal(site.catalog.uploads.takeOver(`${file}.none`), false);
  t.match(site.states(1, 2, 3), ['remove waiting 0', 'copy done 0', /copy waiting/]);
  site.server.meddle = undefined;
  const { length } = site.server.asked;
  await site.start();
  await site.untilDone(2, 3, 4);
  await site.until('gone', () => site.states(1).length === 0);
  site.requireSame(2, 3, 4);
  const since = site.server.asked.slice(length);
  t.notOk(
    since.some((line) => line.includes(idOf(2))),
    'nobody asks for what is copied',
  );
});
