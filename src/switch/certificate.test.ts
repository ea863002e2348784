// The certificate of the switch: its files, what is wrong with them, and reading them again while calls are up.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { loadConfig } from '../config.ts';
import { GrecError } from '../errors.ts';
import type { TlsIdentity } from '../sip/user-agent.ts';
import { makeCertificate } from '../testing/certificate.ts';
import { Certificate } from './certificate.ts';

interface Line {
  level: string;
  msg: string;
  alarm?: string;
  hint?: string;
}

function prepare(t: Test, more = '') {
  const directory = t.testdir({
    'grec.toml': `[sip]\nlisten = ["tls:127.0.0.1:0"]\n[sip.tls]\ncertificate = "c.pem"\nkey = "k.pem"\n${more}`,
  });
  const file = (name: string) => join(directory, name);
  const lines: Line[] = [];
  const log = pino(
    { formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const write = ({ certificate, key }: { certificate: string; key: string }) => {
    writeFileSync(file('c.pem'), certificate);
    writeFileSync(file('k.pem'), key, { mode: 0o600 });
  };
  const config = () => loadConfig({ file: file('grec.toml') });
  const open = () => {
    const made = new Certificate(config(), log);
    t.teardown(() => made.close());
    return made;
  };
  return { file, lines, write, config, open };
}

/** The message and hint of what opening throws. */
function failure(open: () => unknown): string {
  try {
    open();
    return 'nothing thrown';
  } catch (thrown) {
    return thrown instanceof GrecError ? `${thrown.code} ${thrown.message} ${thrown.hint}` : String(thrown);
  }
}

t.test('a certificate, and when it ends', async (t) => {
  const { write, open, lines } = prepare(t);
  const made = makeCertificate({ name: 'pbx', names: ['pbx.example.com'] });
  write(made);
  const certificate = open();
  t.match(certificate.identity, { certificate: made.certificate, key: made.key, verifyServers: true });
  t.match(certificate.status(), {
    subject: 'CN=pbx',
    names: 'DNS:pbx.example.com',
    until: /^20/,
    trouble: null,
  });
  t.same(lines, []);
});

t.test('files that cannot be used are named, and what they hold is not shown', async (t) => {
  const { write, open, file } = prepare(t, 'ca = "ca.pem"');
  const made = makeCertificate();
  t.match(failure(open), /TLS_UNUSABLE TLS: cannot read .*c\.pem: ENOENT.*PEM files/s);
  write({ certificate: 'SECRET', key: made.key });
  t.match(failure(open), /c\.pem holds nothing of use/);
  write({ certificate: made.certificate, key: 'SECRET' });
  t.match(failure(open), /k\.pem holds nothing of use/);
  t.notMatch(failure(open), /SECRET/);
  write({ certificate: made.certificate, key: makeCertificate().key });
  t.match(failure(open), /k\.pem is not the key of .*c\.pem/);
  write(made);
  t.match(failure(open), /cannot read .*ca\.pem/);
  writeFileSync(file('ca.pem'), 'SECRET');
  t.match(failure(open), /ca\.pem holds nothing of use/);
});

t.test('a key that everybody can read, and a certificate near its end, are told', async (t) => {
  const { write, open, file, lines } = prepare(t);
  write(makeCertificate({ days: 5.5 }));
  chmodSync(file('k.pem'), 0o644);
  open();
  t.match(lines, [
    { level: 'warn', msg: /key can be read by every user/, hint: /chmod/ },
    { level: 'error', alarm: 'tls-expiry', msg: /expires in 5 days/, hint: /renew/ },
  ]);
  write(makeCertificate({ days: -1 }));
  chmodSync(file('k.pem'), 0o640);
  lines.length = 0;
  open();
  t.match(lines, [{ alarm: 'tls-expiry', msg: /has expired/ }]);
  t.equal(lines.length, 1, 'a group may read the key');
});

t.test('reading again: a good one is taken, a broken one leaves the old one in force', async (t) => {
  const { write, open, config, lines } = prepare(t);
  write(makeCertificate({ name: 'first' }));
  const certificate = open();
  const used: TlsIdentity[] = [];
  const userAgent = { useTls: (identity: TlsIdentity) => void used.push(identity) };
  write(makeCertificate({ name: 'second' }));
  certificate.reload(config(), userAgent);
  t.equal(used.length, 1);
  t.match(lines.at(-1), { level: 'info', msg: /read again/ });
  write({ certificate: 'broken', key: 'broken' });
  certificate.reload(config(), userAgent);
  t.equal(used.length, 1);
  t.match(lines.at(-1), { level: 'error', alarm: 'tls-certificate', msg: /c\.pem.*the one in force stays/ });
  t.match(certificate.status(), { subject: 'CN=second', trouble: /c\.pem/ });
  write(makeCertificate({ name: 'third' }));
  certificate.reload(config(), userAgent);
  t.match(certificate.status(), { subject: 'CN=third', trouble: null });
});

t.test('TLS that comes or goes with the configuration waits for a restart', async (t) => {
  const { write, open, config, file, lines } = prepare(t);
  write(makeCertificate());
  const certificate = open();
  const userAgent = { useTls: () => t.fail('nothing to use') };
  writeFileSync(file('grec.toml'), '');
  certificate.reload(config(), userAgent);
  t.match(lines.at(-1), { level: 'warn', msg: /needs a restart/ });
  const none = open();
  t.equal(none.identity, undefined);
  t.equal(none.status(), null);
});
