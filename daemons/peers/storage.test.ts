// Recordings copied to real WebDAV servers: whole and the same, again after they were made again, gone when they are deleted,
// and after grec-procd was killed in the middle of a file.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { DAY, folderOf, idOf, metadataOf, record } from '../../src/archive/chained-fixture.ts';
import { hashFile, verifyFiles } from '../../src/archive/read.ts';
import { verifyArchive } from '../../src/archive/verify.ts';
import { openCatalog, openCatalogReader } from '../../src/catalog/catalog.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { askDaemon, socketOf } from '../../src/control.ts';
import { rowOfMetadata } from '../../src/indexing/row-of-metadata.ts';
import { makeCertificate } from '../../src/testing/certificate.ts';
import { freePort } from './installation.ts';
import { startApache, startNginx, type WebServer } from './web-servers.ts';

const skip =
  ['/usr/sbin/nginx', '/usr/sbin/apache2'].some((file) => !existsSync(file)) &&
  'nginx or apache2 is not installed';
const options = { skip, timeout: 60_000 };
const PROGRAM = fileURLToPath(new URL('../grec-procd.ts', import.meta.url));
const PASSWORD = 'correct horse';
const MIB = 1 << 20;

class Site {
  readonly directory: string;
  readonly #t: Test;
  readonly log: string[] = [];

  constructor(t: Test) {
    this.#t = t;
    this.directory = mkdtempSync(join(tmpdir(), 'grec-storage-'));
    t.teardown(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  get config(): Config {
    return loadConfig({ file: join(this.directory, 'grec.toml') });
  }

  get archive() {
    const { archive: directory, signingKey } = this.config.paths;
    return { directory, signingKey };
  }

  configure(storage: string, more = ''): void {
    writeFileSync(
      join(this.directory, 'grec.toml'),
      `state.directory = "state"\n${more}\n[[storage]]\nname = "offsite"\ntype = "webdav"\n${storage}\n`,
    );
  }

  /** A recording in archive and catalog; again with other audio. */
  async record(number: number, audio: Buffer): Promise<void> {
    const path = await record(this.archive, number, { audio, at: DAY });
    const catalog = openCatalog(this.config.paths.catalog);
    catalog.putRecording(rowOfMetadata(metadataOf(idOf(number), DAY), path), [], Date.now());
    catalog.close();
  }

  async launch(): Promise<ChildProcess> {
    const file = join(this.directory, 'grec.toml');
    const child = spawn(process.execPath, [PROGRAM, '--config', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#t.teardown(() => child.kill('SIGKILL'));
    if (child.stderr === null) throw new Error('no standard error');
    const lines = createInterface({ input: child.stderr });
    const ready = new Promise((resolve) => {
      lines.on('line', (line) => {
        this.log.push(line);
        if (line.includes('"ready"')) resolve(undefined);
      });
    });
    await ready;
    return child;
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    for (const end = performance.now() + 30_000; !isSo(); await delay(50))
      if (performance.now() > end) throw new Error(`not ${what}\n${this.log.join('\n')}`);
  }

  copies(): { recording: string; state: string; round: number }[] {
    const catalog = openCatalogReader(this.config.paths.catalog);
    const rows = [1, 2, 3].flatMap((number) => catalog.uploads.of(idOf(number)));
    catalog.close();
    return rows;
  }

  untilCopied(count: number): Promise<void> {
    return this.until(`${count} copied`, () => {
      const rows = this.copies();
      return rows.length === count && rows.every(({ state }) => state === 'done');
    });
  }

  ask<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    return askDaemon('grec-procd', socketOf(this.config, 'grec-procd'), method, path, body);
  }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

/** Names and hashes of all files in a directory. */
function contentsOf(directory: string): Record<string, object> {
  const names = readdirSync(directory).sort();
  return Object.fromEntries(names.map((name) => [name, hashFile(join(directory, name))]));
}

const remoteOf = ({ root }: WebServer, number: number) =>
  folderOf({ directory: root, signingKey: '' }, number);

t.test(
  'nginx, by TLS with a password: copied, again when it was made again, and gone when it was deleted',
  options,
  async (t) => {
    const site = new Site(t);
    const authority = makeCertificate({ name: 'authority', names: [] });
    const nginx = await startNginx({
      user: 'grec',
      password: PASSWORD,
      certificate: authority.issue(),
    });
    t.teardown(() => nginx.stop());
    writeFileSync(join(site.directory, 'ca.pem'), authority.certificate);
    writeFileSync(join(site.directory, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
    site.configure(`url = "https://localhost:${nginx.port}/"
      username = "grec"
      password-file = "password"
      ca = "ca.pem"`);
    await site.record(1, Buffer.alloc(3 * MIB, 'abcdefg'));
    await site.record(2, Buffer.from('short'));
    const child = await site.launch();
    t.match(await site.ask('POST', '/storage/offsite/test'), { name: 'offsite' });
    await t.rejects(site.ask('POST', '/storage/nowhere/test'), { code: 'STORAGE_UNKNOWN' });
    await site.untilCopied(2);
    for (const number of [1, 2]) {
      t.same(contentsOf(remoteOf(nginx, number)), contentsOf(folderOf(site.archive, number)));
      t.ok(verifyFiles(remoteOf(nginx, number)).ok);
    }
    t.same(readdirSync(nginx.root), ['2026', 'keys'], 'nothing else is left there');
    t.same(contentsOf(join(nginx.root, 'keys')), contentsOf(join(site.config.paths.archive, 'keys')));

    t.same((await verifyArchive({ archive: nginx.root, ids: [idOf(1), idOf(2)] })).findings, []);

    await site.record(1, Buffer.from('made again'));
    await site.until(
      'copied again',
      () => site.copies()[0]?.round === 2 && site.copies()[0]?.state === 'done',
    );
    t.same(contentsOf(remoteOf(nginx, 1)), contentsOf(folderOf(site.archive, 1)));
    t.ok(existsSync(join(remoteOf(nginx, 1), 'manifest.1.json')));
    await stop(child);

    site.configure(
      `url = "https://localhost:${nginx.port}/"
      username = "grec"
      password-file = "password"
      ca = "ca.pem"`,
      '[[retention]]\nname = "default"\ndelete = "0d"',
    );
    const again = await site.launch();
    t.match(await site.ask('POST', '/purge', {}), { deleted: [{}, {}] });
    await site.until('gone', () => site.copies().length === 0);
    t.same(readdirSync(join(nginx.root, '2026/01/31')), []);
    const audit = readdirSync(site.config.paths.audit).map((name) =>
      readFileSync(join(site.config.paths.audit, name), 'utf8'),
    );
    t.equal(audit.join('').match(/"delete-copy"/g)?.length, 2);
    t.notMatch([...site.log, ...audit].join('\n'), PASSWORD);
    await stop(again);
  },
);

/** Passes bytes to a port until so many have gone there, and loses what follows. */
class Valve {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#pass(socket));
  #left: number;
  readonly shut: Promise<void>;
  #onShut: () => void = () => undefined;
  #target = 0;

  constructor(bytes: number) {
    this.#left = bytes;
    this.shut = new Promise((resolve) => {
      this.#onShut = resolve;
    });
  }

  async listen(port: number, target: number): Promise<void> {
    this.#target = target;
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  open(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #pass(socket: Socket): void {
    const other = connect(this.#target, '127.0.0.1');
    for (const one of [socket, other]) this.#sockets.add(one.on('error', () => undefined));
    socket.on('close', () => other.destroy());
    other.on('close', () => socket.destroy());
    other.pipe(socket);
    socket.on('data', (bytes: Buffer) => {
      if (this.#left <= 0) return;
      this.#left -= bytes.length;
      other.write(bytes);
      if (this.#left <= 0) this.#onShut();
    });
  }
}

t.test(
  'Apache: grec-procd killed in the middle of a file begins again, and no half copy has a manifest',
  options,
  async (t) => {
    const site = new Site(t);
    const apache = await startApache();
    t.teardown(() => apache.stop());
    const port = await freePort();
    const valve = new Valve(4 * MIB);
    await valve.listen(port, apache.port);
    t.teardown(() => valve.close());
    site.configure(`url = "http://127.0.0.1:${port}/"`);
    await site.record(1, Buffer.alloc(20 * MIB, 'abcdefg'));
    const first = await site.launch();
    await valve.shut;
    await stop(first, 'SIGKILL');
    t.notOk(existsSync(join(remoteOf(apache, 1), 'manifest.json')), 'it is not said to be complete');
    t.match(site.copies(), [{ recording: idOf(1), state: 'waiting' }]);
    valve.open();
    const second = await site.launch();
    await site.untilCopied(1);
    t.same(contentsOf(remoteOf(apache, 1)), contentsOf(folderOf(site.archive, 1)));
    await site.record(1, Buffer.from('made again, and shorter'));
    await site.until(
      'copied again',
      () => site.copies()[0]?.round === 2 && site.copies()[0]?.state === 'done',
    );
    t.same(contentsOf(remoteOf(apache, 1)), contentsOf(folderOf(site.archive, 1)));
    await stop(second);
  },
);
