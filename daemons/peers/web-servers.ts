// Real web servers with WebDAV on loopback, run by whoever runs the test: nginx with TLS and a password, Apache httpd without.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestCertificate } from '../../src/testing/certificate.ts';
import { freePort } from './installation.ts';

const APACHE_MODULES = '/usr/lib/apache2/modules';
/** Neither server works as root: what root starts becomes this user. */
const NOBODY = 65534;

export interface WebServer {
  port: number;
  /** What it keeps. */
  root: string;
  stop(): Promise<void>;
}

export async function startNginx({
  user,
  password,
  certificate,
}: {
  user: string;
  password: string;
  certificate: TestCertificate;
}): Promise<WebServer> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-nginx-'));
  const port = await freePort();
  const root = prepare(directory);
  const hash = createHash('sha1').update(password).digest('base64');
  writeFileSync(join(directory, 'users'), `${user}:{SHA}${hash}\n`);
  writeFileSync(join(directory, 'chain.pem'), certificate.certificate);
  writeFileSync(join(directory, 'key.pem'), certificate.key);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}/tmp;`,
  );
  const file = join(directory, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${directory}/pid; ${isRoot() ? 'user nobody nogroup;' : ''}
    events { worker_connections 64; }
    http {
      access_log ${directory}/access.log; ${temporary.join(' ')} client_max_body_size 0;
      server {
        listen 127.0.0.1:${port} ssl; root ${root};
        ssl_certificate ${directory}/chain.pem; ssl_certificate_key ${directory}/key.pem;
        location / {
          dav_methods PUT DELETE MKCOL COPY MOVE; auth_basic "recordings"; auth_basic_user_file ${directory}/users;
        }
      }
    }`,
  );
  const child = spawn('/usr/sbin/nginx', ['-e', join(directory, 'error.log'), '-c', file]);
  return running(child, port, directory);
}

export async function startApache(): Promise<WebServer> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-apache-'));
  const port = await freePort();
  const root = prepare(directory);
  const modules = ['mpm_event', 'authn_core', 'authz_core', 'dav', 'dav_fs'];
  const file = join(directory, 'apache.conf');
  writeFileSync(
    file,
    `ServerRoot ${directory}
    ${modules.map((name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`).join('\n')}
    ${isRoot() ? 'User nobody\nGroup nogroup' : ''}
    Listen 127.0.0.1:${port}
    ServerName localhost
    PidFile ${directory}/pid
    ErrorLog ${directory}/error.log
    DefaultRuntimeDir ${directory}/tmp
    DavLockDB ${directory}/tmp/locks
    StartServers 1
    DocumentRoot ${root}
    <Directory ${root}>
      Dav On
      Require all granted
    </Directory>
    `,
  );
  return running(spawn('/usr/sbin/apache2', ['-f', file, '-D', 'FOREGROUND']), port, directory);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Folders that the server may write into. */
function prepare(directory: string): string {
  const [root, temporary] = [join(directory, 'root'), join(directory, 'tmp')];
  for (const folder of [root, temporary]) {
    mkdirSync(folder, { recursive: true });
    if (isRoot()) chownSync(folder, NOBODY, NOBODY);
  }
  chmodSync(directory, 0o755);
  return root;
}

async function running(child: ChildProcess, port: number, directory: string): Promise<WebServer> {
  let said = '';
  child.stderr?.on('data', (bytes) => {
    said += bytes;
  });
  const ended = once(child, 'exit');
  let isEnded = false;
  void ended.then(() => {
    isEnded = true;
  });
  while (!(await answers(port))) {
    if (isEnded) throw new Error(`the web server ended: ${said}`);
    await delay(20);
  }
  return {
    port,
    root: join(directory, 'root'),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
  const isThere = await promise;
  socket.destroy();
  return isThere;
}
