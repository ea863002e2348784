// The test server of S3 against a client that is not ours: what boto3 puts we read, and what we put boto3 reads.
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import t from 'tap';
import { S3Store } from '../../src/storage/s3.ts';
import { localFile } from '../../src/storage/store.ts';
import { S3Server } from '../../src/testing/s3-server.ts';

const run = promisify(execFile);
const MIB = 1 << 20;
const ACCOUNT = {
  bucket: 'recordings',
  accessKey: 'AKEXAMPLE',
  secretKey: 'a+secret/of=forty',
  region: 'eu-central-1',
};
const NAME = "2026/a b+c'(1)*~ü.wav";

/** Puts `sent` whole and in parts, with SHA-256; reads what it put and what stands there; a wrong secret is refused. */
const SCRIPT = `
import sys, boto3, botocore
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
url, directory, secret, name = sys.argv[1:]
config = Config(s3={'addressing_style': 'path'}, retries={'max_attempts': 0})
def client(key):
    return boto3.client('s3', endpoint_url=url, region_name='${ACCOUNT.region}', config=config,
        aws_access_key_id='${ACCOUNT.accessKey}', aws_secret_access_key=key)
s3 = client(secret)
data = open(directory + '/sent', 'rb').read()
s3.put_object(Bucket='recordings', Key='boto/' + name, Body=data, ChecksumAlgorithm='SHA256')
s3.upload_file(directory + '/sent', 'recordings', 'boto/parts',
    ExtraArgs={'ChecksumAlgorithm': 'SHA256'}, Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
assert s3.get_object(Bucket='recordings', Key='boto/parts')['Body'].read() == data
for key in [name, 'parts']:
    assert s3.get_object(Bucket='recordings', Key='grec/' + key)['Body'].read() == data, key
begun = s3.create_multipart_upload(Bucket='recordings', Key='boto/left')
listed = s3.list_multipart_uploads(Bucket='recordings', Prefix='boto/left')['Uploads']
assert [one['UploadId'] for one in listed] == [begun['UploadId']]
s3.abort_multipart_upload(Bucket='recordings', Key='boto/left', UploadId=begun['UploadId'])
s3.delete_object(Bucket='recordings', Key='boto/parts')
try:
    client('wrong').put_object(Bucket='recordings', Key='x', Body=b'x')
    print('a wrong secret was taken')
except botocore.exceptions.ClientError as error:
    print(error.response['Error']['Code'])
`;

async function hasBoto(): Promise<boolean> {
  return run('/usr/bin/python3', ['-c', 'import boto3']).then(
    () => true,
    () => false,
  );
}

t.test(
  'boto3 and our client understand each other over the test server',
  { skip: !(await hasBoto()) && 'python3-boto3 is not installed', timeout: 60_000 },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'grec-s3-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const server = new S3Server(ACCOUNT);
    const url = await server.listen();
    t.teardown(() => server.close());
    const bytes = randomBytes(12 * MIB + 1);
    const sent = join(directory, 'sent');
    writeFileSync(sent, bytes);
    const secretKeyFile = join(directory, 'secret');
    writeFileSync(secretKeyFile, ACCOUNT.secretKey, { mode: 0o600 });
    const options = { ...ACCOUNT, url, secretKeyFile, timeout: 10, addressing: 'path' as const };
    const store = new S3Store({ ...options, prefix: 'grec/', partSize: 5 * MIB });
    const whole = new S3Store({ ...options, prefix: 'grec/', partSize: 50 * MIB });
    const theirs = new S3Store({ ...options, prefix: 'boto/', partSize: 5 * MIB });
    for (const one of [store, whole, theirs]) t.teardown(() => one.close());
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const file = localFile(sent, { size: bytes.length, sha256 });
    await whole.put(NAME, file);
    await store.put('parts', file);
    const { stdout } = await run('/usr/bin/python3', ['-c', SCRIPT, url, directory, ACCOUNT.secretKey, NAME]);
    t.equal(stdout.trim(), 'SignatureDoesNotMatch');
    t.equal(await hashOf(await theirs.get(NAME)), sha256);
    t.equal(server.uploads.size, 0);
    t.equal(await theirs.get('parts'), undefined, 'what boto3 has removed is gone');
    t.ok(readFileSync(sent).equals(bytes));
  },
);

async function hashOf(body: Readable | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of (body ?? []) as AsyncIterable<Buffer>) hash.update(piece);
  return hash.digest('hex');
}
