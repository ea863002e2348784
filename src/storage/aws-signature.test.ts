// AWS Signature Version 4: the examples that AWS publishes for S3, with their keys, requests and signatures.
import { createHash } from 'node:crypto';
import t from 'tap';
import { EMPTY_PAYLOAD, encodePath, encodeQuery, signed, type ToSign } from './aws-signature.ts';

const KEY = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const HOST = 'examplebucket.s3.amazonaws.com';
const AT = Date.UTC(2013, 4, 24);

function signatureOf(asked: Partial<ToSign>): string | undefined {
  const { headers, ...others } = asked;
  const whole = { method: 'GET', path: '/', query: [], payload: EMPTY_PAYLOAD, at: AT, ...others };
  const { authorization } = signed(KEY, { ...whole, headers: { host: HOST, ...headers } });
  return /Signature=([0-9a-f]{64})$/.exec(authorization ?? '')?.[1];
}

t.test('the published examples', async (t) => {
  t.equal(
    signatureOf({ path: '/test.txt', headers: { range: 'bytes=0-9' } }),
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    'GET object',
  );
  t.equal(
    signatureOf({
      method: 'PUT',
      path: encodePath('/test$file.text'),
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
      payload: createHash('sha256').update('Welcome to Amazon S3.').digest('hex'),
    }),
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    'PUT object',
  );
  t.equal(
    signatureOf({ query: [['lifecycle', '']] }),
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    'GET bucket lifecycle',
  );
  t.equal(
    signatureOf({
      query: [
        ['prefix', 'J'],
        ['max-keys', '2'],
      ],
    }),
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    'GET bucket, listed',
  );
});

t.test('what is sent is what is signed', async (t) => {
  const headers = signed(KEY, {
    method: 'GET',
    path: '/',
    query: [],
    headers: { host: HOST },
    payload: EMPTY_PAYLOAD,
    at: AT,
  });
  t.same(Object.keys(headers).sort(), ['authorization', 'host', 'x-amz-content-sha256', 'x-amz-date']);
  t.equal(headers['x-amz-date'], '20130524T000000Z');
  t.match(
    headers['authorization'],
    'Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,',
  );
  t.notMatch(JSON.stringify(headers), KEY.secretKey);
});

t.test('paths and queries are encoded as they are signed', async (t) => {
  t.equal(encodePath("/a b/ü!'()*~.-_"), '/a%20b/%C3%BC%21%27%28%29%2A~.-_');
  t.equal(
    encodeQuery([
      ['uploadId', 'a/b+c=='],
      ['partNumber', '1'],
    ]),
    'partNumber=1&uploadId=a%2Fb%2Bc%3D%3D',
  );
});
