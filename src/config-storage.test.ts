// [[storage]]: every mistake is told with its key; files become absolute paths; no secret stands in the file.
import { join } from 'node:path';
import t from 'tap';
import { printConfig } from './cli/config-toml.ts';
import { checkConfig, loadConfig } from './config.ts';

const WEBDAV = 'name = "a"\ntype = "webdav"\nurl = "https://dav.example.net/"';
const S3 =
  'name = "b"\ntype = "s3"\nurl = "https://s3.example.net"\nbucket = "bucket"\naccess-key = "AK"\nsecret-key-file = "s"';

const problemsOf = (...tables: string[]) =>
  checkConfig(tables.map((table) => `[[storage]]\n${table}`).join('\n')).problems.map(
    ({ line, key, message }) => `${line} ${key}: ${message}`,
  );

t.test('what each type needs, and nothing else', async (t) => {
  t.same(problemsOf(WEBDAV, S3, 'name = "c"\ntype = "directory"\npath = "/mnt"'), []);
  t.same(problemsOf('name = "c"\ntype = "directory"'), [
    '3 storage[0].type: type = "directory" needs path beside it',
  ]);
  t.same(problemsOf(`${WEBDAV}\nbucket = "bucket"`), [
    '5 storage[0].bucket: a storage of type "webdav" has no bucket',
  ]);
  t.same(problemsOf(WEBDAV, WEBDAV), ['6 storage[1].name: another storage has this name: a']);
  t.match(problemsOf('name = "A b"\ntype = "ftp"'), [/name: expected a name/, /type: expected one of/]);
});

t.test('no credentials in an address, and none over a line that others hear', async (t) => {
  for (const url of [
    'https://u:p@dav.example.net/',
    'ftp://x/',
    'dav.example.net',
    'https://x/?q',
    'https://x/#f',
  ])
    t.match(problemsOf(`name = "a"\ntype = "webdav"\nurl = "${url}"`), [/url: expected an address/], url);
  const withPassword = (url: string) =>
    problemsOf(`name = "a"\ntype = "webdav"\nurl = "${url}"\nusername = "u"\npassword-file = "p"`);
  t.match(withPassword('http://dav.example.net/'), [/url: a password goes by https/]);
  for (const url of [
    'http://127.0.0.1:80/',
    'http://[::1]/',
    'http://localhost/',
    'https://dav.example.net/',
  ])
    t.same(withPassword(url), [], url);
  t.match(problemsOf(`${WEBDAV}\nusername = "u"`), [/username: expected a password-file/]);
  t.match(problemsOf(`${WEBDAV}\npassword-file = "p"`), [/password-file: expected a username/]);
});

t.test('values that lead elsewhere, or to nothing', async (t) => {
  for (const prefix of ['/a', 'a/', 'a//b', '../a', 'a/./b', 'a b', ''])
    t.match(problemsOf(`${S3}\nprefix = "${prefix}"`), [/prefix: expected/], prefix);
  t.same(problemsOf(`${S3}\nprefix = "grec/berlin"`), []);
  for (const line of [
    'part-size = 4',
    'retry-for = "soon"',
    'timeout = 0',
    'dn = "7001"',
    'retention = ["A B"]',
  ])
    t.equal(problemsOf(`${S3}\n${line}`).length, 1, line);
  t.equal(checkConfig('storage = 1').problems.length, 1);
  t.equal(checkConfig('[storage]\nname = "x"').problems.length, 1);
});

t.test('files are where the configuration is, or where systemd has placed them', async (t) => {
  const directory = t.testdir({
    'grec.toml': `[[storage]]\n${WEBDAV}\nusername = "u"\npassword-file = "credential:dav"\nca = "ca.pem"\n[[storage]]\n${S3}`,
  });
  const env = { CREDENTIALS_DIRECTORY: '/run/credentials/x' };
  const config = loadConfig({ file: join(directory, 'grec.toml'), env });
  t.match(config.storage, [
    {
      'password-file': '/run/credentials/x/dav',
      ca: join(directory, 'ca.pem'),
      timeout: 60,
      'retry-for': '40d',
    },
    { 'secret-key-file': join(directory, 's') },
  ]);
  t.same(checkConfig(printConfig(config)).values?.storage, config.storage, 'what is printed means the same');
});
