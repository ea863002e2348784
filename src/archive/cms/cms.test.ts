// What is encrypted opens with openssl alone, for each recipient, and only when nothing was changed.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { oid, read } from './der.ts';
import { openSealed, proveSealed, readPrivateKeys } from './open.ts';
import { readRecipients } from './recipient.ts';
import { sealFile } from './seal.ts';

const directory = t.testdir({});
const at = (name: string) => join(directory, name);

/** A certificate and its key, made by openssl. */
function certify(name: string, ...algorithm: string[]): { certificate: string; key: string } {
  const [certificate, key] = [at(`${name}.pem`), at(`${name}.key`)];
  const how = algorithm.length === 0 ? ['-newkey', 'rsa:2048'] : algorithm;
  const argv = ['req', '-x509', ...how, '-noenc', '-keyout', key, '-out', certificate, '-days', '30'];
  execFileSync('openssl', [...argv, '-subj', `/O=Test/CN=${name}`], { stdio: 'ignore' });
  chmodSync(key, 0o600);
  return { certificate, key };
}

const ann = certify('ann');
const bob = certify('bob');
const eve = certify('eve');
const recipients = readRecipients([ann.certificate, bob.certificate]);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

let count = 0;
async function seal(bytes: Buffer): Promise<string> {
  count += 1;
  const [source, target] = [at(`${count}.wav`), at(`${count}.wav.cms`)];
  writeFileSync(source, bytes);
  const sealed = await sealFile(source, target, recipients);
  t.match(sealed, { clearSize: bytes.length, clearSha256: sha256(bytes), size: statSync(target).size });
  return target;
}

/** The command of grec-encryption(7). */
function openWithOpenssl(file: string, { key }: { key: string }): Buffer | undefined {
  const out = `${file}.out`;
  const { status } = spawnSync('openssl', [
    'cms',
    '-decrypt',
    '-inform',
    'DER',
    '-in',
    file,
    '-inkey',
    key,
    '-out',
    out,
  ]);
  return status === 0 ? readFileSync(out) : undefined;
}

t.test('openssl cms alone opens it, for each recipient and for nobody else', async (t) => {
  for (const size of [0, 1, 127, 128, 65_535, 300_000]) {
    const bytes = randomBytes(size);
    const file = await seal(bytes);
    for (const recipient of [ann, bob]) t.same(openWithOpenssl(file, recipient), bytes, `${size} bytes`);
    if (size > 0) t.notSame(openWithOpenssl(file, eve), bytes);
    t.notOk(size > 16 && readFileSync(file).includes(bytes.subarray(0, 16)));
  }
});

t.test('so does grec, and each file has a key of its own', async (t) => {
  const bytes = randomBytes(300_000);
  const [one, other] = [await seal(bytes), await seal(bytes)];
  t.notSame(readFileSync(one).subarray(-1000), readFileSync(other).subarray(-1000));
  for (const { key } of [ann, bob]) {
    const keys = readPrivateKeys([key]);
    t.same(await proveSealed(one, keys), { size: bytes.length, sha256: sha256(bytes) });
  }
  await openSealed(one, at('opened'), readPrivateKeys([eve.key, bob.key]));
  t.same(readFileSync(at('opened')), bytes);
  t.equal(statSync(at('opened')).mode & 0o077, 0);
  await t.rejects(openSealed(one, at('none'), readPrivateKeys([eve.key])), { code: 'DECRYPTION_KEY' });
  await t.rejects(openSealed(one, at('none'), []), { code: 'DECRYPTION_KEY', message: /none is/ });
  t.notOk(existsSync(at('none')));
});

t.test('what openssl has encrypted the same way, grec opens', async (t) => {
  const bytes = randomBytes(5000);
  writeFileSync(at('theirs'), bytes);
  const oaep = [
    '-keyopt',
    'rsa_padding_mode:oaep',
    '-keyopt',
    'rsa_oaep_md:sha256',
    '-keyopt',
    'rsa_mgf1_md:sha256',
  ];
  const files = ['-in', at('theirs'), '-binary', '-outform', 'DER', '-out', at('theirs.cms')];
  const argv = ['cms', '-encrypt', '-aes-256-gcm', ...files, '-recip', ann.certificate, ...oaep];
  execFileSync('openssl', argv);
  t.same(await proveSealed(at('theirs.cms'), readPrivateKeys([ann.key])), {
    size: 5000,
    sha256: sha256(bytes),
  });
});

t.test('a bit that was changed anywhere is found', async (t) => {
  const file = await seal(randomBytes(1000));
  const whole = readFileSync(file);
  const keys = readPrivateKeys([ann.key]);
  const missed: number[] = [];
  for (let bit = 0; bit < whole.length * 8; bit += 37) {
    const changed = Buffer.from(whole);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(file, changed);
    const opened = await proveSealed(file, keys).catch(() => undefined);
    // Versions, and what is only for other recipients, have no part in it: the manifest has their hash.
    if (opened !== undefined && opened.sha256 !== sha256(readFileSync(file.replace('.cms', ''))))
      missed.push(bit);
  }
  t.same(missed, []);
  for (const length of [0, 10, 500, whole.length - 1]) {
    writeFileSync(file, whole.subarray(0, length));
    await t.rejects(
      proveSealed(file, keys),
      { code: /RECORDING_UNREADABLE|DECRYPTION_KEY/ },
      `${length} bytes`,
    );
  }
});

t.test('certificates and keys that cannot be used say why', async (t) => {
  const small = certify('small', '-newkey', 'rsa:1024');
  const curve = certify('curve', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256');
  writeFileSync(at('empty.pem'), '');
  const wrong = { code: 'CERTIFICATE_UNUSABLE', hint: /RSA key/ };
  t.throws(() => readRecipients([small.certificate]), { ...wrong, message: /1024 bits/ });
  t.throws(() => readRecipients([curve.certificate]), { ...wrong, message: /key is for ec/ });
  t.throws(() => readRecipients([at('empty.pem')]), { ...wrong, message: /no certificate/ });
  t.throws(() => readRecipients([at('none.pem')]), wrong);
  t.throws(() => readPrivateKeys([curve.key]), { code: 'DECRYPTION_KEY', message: /key for ec/ });
  t.throws(() => readPrivateKeys([ann.certificate]), { code: 'DECRYPTION_KEY' });
  chmodSync(eve.key, 0o644);
  t.throws(() => readPrivateKeys([eve.key]), { message: /others than its owner/ });
});

t.test('a key with a passphrase', async (t) => {
  writeFileSync(at('pass'), 'correct horse\n');
  execFileSync('openssl', [
    'pkcs8',
    '-topk8',
    '-in',
    bob.key,
    '-out',
    at('locked.key'),
    '-passout',
    `file:${at('pass')}`,
  ]);
  chmodSync(at('locked.key'), 0o600);
  const file = await seal(Buffer.from('hello'));
  t.match(await proveSealed(file, readPrivateKeys([at('locked.key')], at('pass'))), { size: 5 });
  t.throws(() => readPrivateKeys([at('locked.key')]), { code: 'DECRYPTION_KEY' });
});

t.test('DER', async (t) => {
  t.same(oid('1.2.840.113549.1.7.1'), Buffer.from('06092a864886f70d010701', 'hex'));
  t.same(read(Buffer.from('0482012c', 'hex'), 0, 400), { tag: 4, at: 0, from: 4, to: 304 });
  for (const hex of ['', '30', '3080', '1f01', '0482', '04870000000000000001', '3005'])
    t.throws(() => read(Buffer.from(hex, 'hex'), 0), Error, hex);
});
