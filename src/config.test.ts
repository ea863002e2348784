// The configuration: where it comes from, defaults, every mistake with its line and what is accepted.
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { checkConfig, loadConfig, parseConfig } from './config.ts';
import { GrecError } from './errors.ts';

/** The mistakes of a text as `LINE KEY: MESSAGE`. */
function problems(toml: string): string[] {
  return checkConfig(toml).problems.map(({ line, key, message }) => `${line} ${key}: ${message}`);
}

t.test('no file at all: defaults, state by user', async (t) => {
  const root = loadConfig({ env: { HOME: '/root' }, uid: 0 });
  t.match(root, {
    file: undefined,
    sip: { listen: [{ protocol: 'udp', host: '127.0.0.1', port: 5060 }, { protocol: 'tcp' }], realm: 'grec' },
    mediad: { address: '127.0.0.1', ports: { first: 30000, last: 39999 } },
    trunk: [],
    paths: {
      state: '/var/lib/grec',
      run: '/var/lib/grec/run',
      archive: '/var/lib/grec/archive',
      catalog: '/var/lib/grec/catalog.db',
    },
  });
  t.equal(root.paths.strategy, '/etc/grec/strategy.toml');
  t.equal(loadConfig({ env: { HOME: '/h' }, uid: 1000 }).paths.strategy, '/h/.config/grec/strategy.toml');
  t.equal(loadConfig({ env: { HOME: '/home/a' }, uid: 1000 }).paths.state, '/home/a/.local/state/grec');
  t.equal(loadConfig({ env: { HOME: '/h', XDG_STATE_HOME: '/s' }, uid: 1000 }).paths.state, '/s/grec');
  const relative = loadConfig({ env: { HOME: '/h', XDG_STATE_HOME: 'relative' }, uid: 1000 });
  t.equal(relative.paths.state, '/h/.local/state/grec', 'XDG: a path that is not absolute is ignored');
});

t.test('which file: --config, GREC_CONFIG, the one of the user', async (t) => {
  const directory = t.testdir({
    'named.toml': 'sip.realm = "named"',
    'env.toml': 'sip.realm = "env"',
    xdg: { grec: { 'grec.toml': 'sip.realm = "personal"' } },
  });
  const env = { HOME: '/nonexistent', XDG_CONFIG_HOME: join(directory, 'xdg') };
  const GREC_CONFIG = join(directory, 'env.toml');
  const realm = (sources: Parameters<typeof loadConfig>[0]) => loadConfig(sources).sip.realm;
  t.equal(realm({ file: join(directory, 'named.toml'), env: { ...env, GREC_CONFIG }, uid: 1000 }), 'named');
  t.equal(realm({ env: { ...env, GREC_CONFIG }, uid: 1000 }), 'env');
  t.equal(realm({ env, uid: 1000 }), 'personal');
  t.equal(realm({ env: { ...env, GREC_CONFIG: '' }, uid: 1000 }), 'personal', 'empty is unset');
  t.equal(realm({ env, uid: 0 }), 'grec', 'root has no personal file');
});

t.test('directories are relative to the file', async (t) => {
  const directory = t.testdir({ 'grec.toml': '[state]\ndirectory = "s"\n[archive]\ndirectory = "../a"' });
  const { paths } = loadConfig({ file: join(directory, 'grec.toml') });
  t.equal(paths.state, join(directory, 's'));
  t.equal(paths.archive, join(directory, '..', 'a'));
  t.equal(paths.strategy, join(directory, 'strategy.toml'));
});

t.test('the strategy file may lie elsewhere', async (t) => {
  const directory = t.testdir({ 'grec.toml': 'switch.strategy = "../routes.toml"' });
  const { paths } = loadConfig({ file: join(directory, 'grec.toml') });
  t.equal(paths.strategy, join(directory, '..', 'routes.toml'));
});

t.test('a named file that cannot be read is an error, with what to do', async (t) => {
  for (const sources of [
    { file: '/nonexistent/x.toml' },
    { env: { GREC_CONFIG: '/nonexistent/x.toml' } },
    { file: '/' },
  ])
    t.throws(() => loadConfig(sources), { code: 'CONFIG_UNREADABLE', hint: /--config or GREC_CONFIG/ });
});

t.test('a personal file that is there and cannot be read is not passed over', async (t) => {
  const directory = t.testdir({ grec: { 'grec.toml': {} } });
  t.throws(() => loadConfig({ env: { XDG_CONFIG_HOME: directory }, uid: 1000 }), {
    code: 'CONFIG_UNREADABLE',
  });
});

t.test('values as they are written', async (t) => {
  const values = parseConfig(
    `sip.listen = ["udp:[::1]:5070"]
    media.server = "[2001:db8::1]:2223"
    mediad.ports = "20000-20003"
    [[trunk]]
    name = "carrier"
    host = "192.0.2.1"`,
    'f',
  );
  t.strictSame(values.sip.listen, [{ protocol: 'udp', host: '::1', port: 5070 }]);
  t.strictSame(values.media.server, [{ host: '2001:db8::1', port: 2223 }]);
  t.strictSame(values.mediad.ports, { first: 20000, last: 20003 });
  t.match(values.trunk, [
    { name: 'carrier', host: ['192.0.2.1'], port: 5060, transport: 'udp', record: false },
  ]);
});

t.test('TLS: files relative to the configuration, ports, and who is believed', async (t) => {
  const text = `[sip]
listen = ["udp:127.0.0.1:5060", "tls:[::1]:5061"]
[sip.tls]
certificate = "tls/chain.pem"
key = "/etc/ssl/key.pem"
[[trunk]]
name = "carrier"
host = "192.0.2.1"
transport = "tls"
tls-name = "sip.carrier.example"
`;
  const directory = t.testdir({ 'grec.toml': text, 'none.toml': '' });
  const config = loadConfig({ file: join(directory, 'grec.toml') });
  t.match(config.sip.listen[1], { protocol: 'tls', host: '::1', port: 5061 });
  t.match(config.sip.tls, { 'verify-clients': false, 'verify-servers': true });
  t.strictSame(config.paths.tls, {
    certificate: join(directory, 'tls/chain.pem'),
    key: '/etc/ssl/key.pem',
    ca: undefined,
  });
  t.match(config.trunk, [{ port: 5061, transport: 'tls', 'tls-name': 'sip.carrier.example' }]);
  t.equal(loadConfig({ file: join(directory, 'none.toml') }).paths.tls, undefined);
});

t.test('an IPv6 address for media is one', async (t) => {
  t.equal(parseConfig('mediad.address-ipv6 = "::1"', 'f').mediad['address-ipv6'], '::1');
  t.match(problems('mediad.address-ipv6 = "127.0.0.1"'), [
    /^1 mediad\.address-ipv6: expected an IPv6 address/,
  ]);
});

t.test('TLS: what belongs together and is not', async (t) => {
  t.match(problems('[sip]\nlisten = ["udp:127.0.0.1:5060", "tls:127.0.0.1:5061"]'), [
    /^2 sip\.listen\[1\]: TLS needs certificate and key in \[sip\.tls\]/,
  ]);
  t.match(problems('[sip.tls]\ncertificate = "c"'), [/^2 sip\.tls\.certificate: needs .* key beside it/]);
  t.match(problems('[sip.tls]\nkey = "k"'), [/^2 sip\.tls\.key: needs .* certificate beside it/]);
  t.match(problems('[[trunk]]\nname = "a"\nhost = "::1"\ntransport = "tls"'), [
    /^4 trunk\[0\]\.transport: TLS needs a "tls:ADDRESS:PORT"/,
  ]);
  t.match(problems('[sip.tls]\nverify-clients = 1\ncertificat = "x"\nkey = ""'), [
    /^2 /,
    /^3 .*unknown key/,
    /^4 /,
  ]);
  t.equal(problems('sip.tls = 3').length, 1);
  t.match(problems('trunk = [3]'), [/^1 trunk/]);
});

t.test('the media server is the one configured here, unless another one is named', async (t) => {
  const serverOf = (toml: string) => parseConfig(toml, 'x.toml').media.server[0];
  t.strictSame(serverOf(''), { host: '127.0.0.1', port: 2223 });
  t.strictSame(serverOf('mediad.ng = "127.0.0.3:2300"'), { host: '127.0.0.3', port: 2300 });
  t.strictSame(serverOf('mediad.ng = "0.0.0.0:2300"'), { host: '127.0.0.1', port: 2300 });
  t.strictSame(serverOf('mediad.ng = "[::]:2300"'), { host: '::1', port: 2300 });
  t.strictSame(serverOf('mediad.ng = "[::]:2300"\nmedia.server = "192.0.2.7:22"'), {
    host: '192.0.2.7',
    port: 22,
  });
});

t.test('media servers that share the calls', async (t) => {
  const { media } = parseConfig(
    'media.server = ["192.0.2.7:22 weight=3", "[::1]:2223 weight=100", "192.0.2.8:22"]',
    'x',
  );
  t.strictSame(media.server, [
    { host: '192.0.2.7', port: 22, weight: 3 },
    { host: '::1', port: 2223, weight: 100 },
    { host: '192.0.2.8', port: 22 },
  ]);
  for (const weight of ['0', '101', '-1', '1.5', 'x', ''])
    t.match(
      checkConfig(`media.server = "192.0.2.7:22 weight=${weight}"`).problems,
      [{ key: 'media.server' }],
      weight,
    );
});

t.test('rtpengine as media server, and where it records', async (t) => {
  const config = (toml: string) => {
    const file = join(t.testdir({ 'grec.toml': toml }), 'grec.toml');
    return loadConfig({ file }).paths.recordings;
  };
  t.equal(config(''), undefined);
  t.equal(config('media.engine = "rtpengine"'), '/var/spool/rtpengine');
  t.match(config('media.engine = "rtpengine"\nmedia.recordings = "here"'), /records\/here$/);
  t.match(checkConfig('media.engine = "asterisk"').problems, [
    { key: 'media.engine', message: /"grec".*"rtpengine"/ },
  ]);
});

t.test('several media servers, in order', async (t) => {
  const { media } = parseConfig('media.server = ["192.0.2.7:22", "[2001:db8::1]:2223"]', 'x.toml');
  t.strictSame(media.server, [
    { host: '192.0.2.7', port: 22 },
    { host: '2001:db8::1', port: 2223 },
  ]);
  for (const wrong of ['[]', '["192.0.2.7"]', '[7]', '7', '["a:1", "192.0.2.7:22"]']) {
    const { problems } = checkConfig(`media.server = ${wrong}`);
    t.match(problems, [{ line: 1, key: 'media.server', message: /or a list of them/ }], wrong);
  }
});

t.test('every mistake at once, each with line, key and what is accepted', async (t) => {
  t.strictSame(
    problems(`[log]
level = "loud"
[sip]
listen = ["udp:127.0.0.1:5060", "sctp:127.0.0.1:5060"]
ring-timeout = 1
realm = ""
relm = "x"
[mediad]
ports = "10-20"
address = "localhost"
[[trunk]]
name = "a"
host = "carrier.example"
port = 0
[webd]
[[tronk]]
`),
    [
      '2 log.level: expected one of "trace", "debug", "info", "warn", "error", "silent"; found "loud"',
      '4 sip.listen[1]: expected "udp:ADDRESS:PORT", "tcp:ADDRESS:PORT" or "tls:ADDRESS:PORT", such as "udp:127.0.0.1:5060"; found "sctp:127.0.0.1:5060"',
      '5 sip.ring-timeout: expected a whole number of seconds from 5 to 600; found 1',
      '6 sip.realm: expected a realm, not an empty string',
      '7 sip.relm: unknown key; accepted here: listen, realm, digest, ring-timeout, qualify, max-expires, session-expires, min-se, t1, tls, limits',
      '9 mediad.ports: expected "FIRST-LAST", at least four ports within 1024-65535; found "10-20"',
      '10 mediad.address: expected an IP address, such as "192.0.2.10"; found "localhost"',
      '13 trunk[0].host: expected an IP address, such as "192.0.2.10"; found "carrier.example"',
      '14 trunk[0].port: expected a port from 1 to 65535; found 0',
      '15 webd: unknown key; accepted here: state, log, control, sip, trunk, switch, media, recording, processing, index, mediad, archive, alarms, encryption, retention, storage, web, export',
      '16 tronk: unknown key; accepted here: state, log, control, sip, trunk, switch, media, recording, processing, index, mediad, archive, alarms, encryption, retention, storage, web, export',
    ],
  );
});

t.test('one mistake is said once', async (t) => {
  t.equal(problems('sip.ring-timeout = 0.5').length, 1);
  t.equal(problems('sip.ring-timeout = nan').length, 1);
  t.equal(problems('sip.ring-timeout = inf').length, 1);
  t.equal(problems('sip.listen = []').length, 1);
});

t.test('wrong types', async (t) => {
  for (const toml of [
    'sip = 3',
    'sip = []',
    'trunk = 1',
    'trunk = [1]',
    'sip.realm = 3',
    'sip.listen = "udp:127.0.0.1:5060"',
    'sip.listen = [1]',
    'mediad.ports = 1',
    'mediad.workers = 0',
    'mediad.engine = "kqueue"',
    '[trunk]\nname = "a"',
  ]) {
    const [first, ...others] = problems(toml);
    t.match(first, /^1 (sip|trunk|mediad).*: expected .*; found /, toml);
    t.strictSame(others, [], toml);
  }
  t.match(problems('[[trunk]]\n[[trunk]]'), [/^1 trunk\[0\]\.name: missing/, /^1 trunk\[0\]\.host: missing/]);
  const trunk = '[[trunk]]\nname = "a"\nhost = "::1"\n';
  const many = Array.from({ length: 65 }, (_, index) => trunk.replace('"a"', `"a${index}"`)).join('');
  t.match(problems(many), [/64 \[\[trunk\]\] tables at most/]);
});

t.test('keys that JavaScript thinks special are unknown keys like others', async (t) => {
  for (const key of ['__proto__', 'constructor', 'toString', 'sip.__proto__'])
    t.match(problems(`${key} = 1`), [/unknown key; accepted here/], key);
});

t.test('what is no TOML is reported with its line', async (t) => {
  t.match(problems('a = 1\nb ='), [/^2 : /]);
  t.match(problems('a = 1\na = 2'), [/^2 : /]);
});

t.test('parseConfig throws all of it, one mistake a line', async (t) => {
  t.throws(() => parseConfig('\nx = 1\ny = 2', 'grec.toml'), {
    code: 'CONFIG_INVALID',
    message: /^grec\.toml:2: x: .*\ngrec\.toml:3: y: .*$/,
    hint: /man grec\.toml/,
  });
});

t.test('no text upsets it', async (t) => {
  const word = fc.constantFrom(
    'sip',
    'listen',
    'trunk',
    '[',
    ']',
    '=',
    '"udp:127.0.0.1:0"',
    '{',
    '}',
    ',',
    '\n',
    '.',
    '1',
    'true',
    '"',
    'é',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      const { values, problems } = checkConfig(words.join(' '));
      return (values === undefined) === problems.length > 0;
    }),
  );
  t.ok(new GrecError('CONFIG_INVALID', '') instanceof Error);
});

t.test(
  'alarms: a program by its path, an address of the web, and nothing signed that is not sent',
  async (t) => {
    const problemsOf = (toml: string) => checkConfig(`[alarms]\n${toml}`).problems.map(({ key }) => key);
    t.same(
      problemsOf(
        'command = ["/usr/bin/page", "--now"]\nwebhook = "https://example.org/x"\nwebhook-secret = "s"',
      ),
      [],
    );
    t.same(problemsOf('command = ["page"]'), ['alarms.command']);
    t.same(problemsOf('command = []'), ['alarms.command']);
    t.same(problemsOf('command = "/usr/bin/page"'), ['alarms.command']);
    for (const webhook of ['ftp://example.org', 'example.org', 'https://user:secret@example.org', ''])
      t.same(problemsOf(`webhook = "${webhook}"`), ['alarms.webhook']);
    t.same(problemsOf('webhook-secret = "s"'), ['alarms.webhook-secret']);
  },
);

t.test('web: loopback alone, unless there is TLS or a proxy that does it', async (t) => {
  const problemsOf = (toml: string) => checkConfig(`[web]\n${toml}`).problems.map(({ key }) => key);
  t.same(problemsOf(''), []);
  t.same(problemsOf('enabled = true\nlisten = "[::1]:8443"'), []);
  t.same(problemsOf('listen = "127.1.2.3:80"'), []);
  for (const beyond of ['0.0.0.0:80', '[::]:80', '192.0.2.1:80', '[::ffff:127.0.0.1]:80']) {
    t.same(problemsOf(`listen = "${beyond}"`), ['web.listen'], beyond);
    t.same(problemsOf(`listen = "${beyond}"\nproxies = []`), ['web.listen'], beyond);
    t.same(problemsOf(`listen = "${beyond}"\ncertificate = "c"\nkey = "k"`), []);
    t.same(problemsOf(`listen = "${beyond}"\nproxies = ["192.0.2.9"]`), []);
  }
  t.same(problemsOf('certificate = "c"'), ['web.certificate']);
  t.same(problemsOf('key = "k"'), ['web.key']);
  t.same(problemsOf('listen = "localhost:80"'), ['web.listen']);
  t.same(problemsOf('proxies = ["0.0.0.0/0"]'), ['web.proxies[0]']);
  t.same(problemsOf('rate = 0'), ['web.rate']);
  t.same(problemsOf('enabled = 1'), ['web.enabled']);
});
