// Digest authentication, both sides, against the examples of RFC 2617 and RFC 7616 and against what an attacker would try.
import t from 'tap';
import { scanAuth } from './decode-headers.ts';
import {
  type Authorization,
  authorize,
  type ChallengeOptions,
  type Challenger,
  chooseChallenge,
  createChallenger,
  type DigestAlgorithm,
  ha1,
} from './digest.ts';
import type { AuthHeader } from './message.ts';
import { Scanner } from './scan.ts';

function header(text: string): AuthHeader {
  const auth = scanAuth(new Scanner(text));
  if (auth === undefined) throw new Error(`malformed: ${text}`);
  return auth;
}

const URI = 'sip:h.example';
const ALICE = { username: 'alice', password: 'wonder"land' };

/** The first challenge of a server, as it stands on the wire. */
function challengeOf(challenger: Challenger, options: ChallengeOptions = {}): string {
  const [{ scheme, ...fields } = { scheme: '' }] = challenger.challenges(options);
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  return `${scheme} ${shown.join(', ')}`;
}

function setUp(options: { capacity?: number; algorithm?: DigestAlgorithm } = {}) {
  let time = 1_700_000_000_000;
  const challenger = createChallenger({
    realm: 'grec',
    secret: Buffer.alloc(32, 1),
    now: () => time,
    algorithms: [options.algorithm ?? 'MD5'],
    ...options,
  });
  const secret = ha1(ALICE.username, 'grec', ALICE.password, options.algorithm);
  const attempt = (challenge: string, changes: Partial<Authorization> & { requestUri?: string } = {}) => {
    const authorization = {
      challenge: header(challenge),
      credentials: ALICE,
      method: 'REGISTER',
      uri: URI,
      nc: 1,
      cnonce: 'c',
      ...changes,
    };
    return verify(authorize(authorization) ?? '', changes.requestUri);
  };
  const verify = (text: string, requestUri = URI) =>
    challenger.verify({
      header: header(text),
      method: 'REGISTER',
      requestUri,
      ha1: (username) => (username === 'alice' ? secret : undefined),
    });
  return { challenger, attempt, verify, advance: (milliseconds: number) => (time += milliseconds) };
}

t.test('the example of RFC 2617 section 3.5', async (t) => {
  const value = authorize({
    challenge: header(
      'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
    ),
    credentials: { username: 'Mufasa', password: 'Circle Of Life' },
    method: 'GET',
    uri: '/dir/index.html',
    nc: 1,
    cnonce: '0a4f113b',
  });
  t.match(header(value ?? ''), {
    scheme: 'Digest',
    username: '"Mufasa"',
    response: '"6629fae49393a05397450978507c4ef1"',
    qop: 'auth',
    nc: '00000001',
    cnonce: '"0a4f113b"',
    opaque: '"5ccc069c403ebaf9f0171e9517f40e41"',
  });
  t.equal(ha1('Mufasa', 'testrealm@host.com', 'Circle Of Life'), '939e7578ed9e3c518a452acee763bce9');
});

t.test('the example of RFC 7616 section 3.9.1, MD5 and SHA-256', async (t) => {
  const responseTo = (algorithm: string) =>
    authorize({
      challenge: header(
        `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
      ),
      credentials: { username: 'Mufasa', password: 'Circle of Life' },
      method: 'GET',
      uri: '/dir/index.html',
      nc: 1,
      cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    });
  t.match(responseTo('MD5'), 'response="8ca523f5e9506fed4657c9700eebdbec"');
  t.match(
    responseTo('SHA-256'),
    'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"',
  );
});

t.test('a right password', async (t) => {
  const { challenger, attempt } = setUp();
  const challenge = challengeOf(challenger);
  t.same(attempt(challenge), { ok: true, username: 'alice' });
  t.same(attempt(challenge, { nc: 2 }), { ok: true, username: 'alice' });
  t.same(attempt(challenge, { nc: 30 }), { ok: true, username: 'alice' }, 'counts may be skipped');
});

t.test('SHA-256', async (t) => {
  const { challenger, attempt } = setUp({ algorithm: 'SHA-256' });
  t.same(attempt(challengeOf(challenger)), { ok: true, username: 'alice' });
  const weaker = challengeOf(challenger).replace('SHA-256', 'MD5');
  t.same(attempt(weaker), { ok: false, reason: 'malformed' }, 'no downgrade');
});

t.test('a client that knows no qop: once for each nonce', async (t) => {
  const { challenger, attempt } = setUp();
  const challenge = challengeOf(challenger).replace(', qop="auth"', '');
  t.same(attempt(challenge), { ok: true, username: 'alice' });
  t.same(attempt(challenge), { ok: false, reason: 'replay' });
});

t.test('what is refused', async (t) => {
  const { challenger, attempt, verify, advance } = setUp();
  const challenge = challengeOf(challenger);
  const reason = (verdict: ReturnType<typeof verify>) => (verdict.ok ? 'ok' : verdict.reason);
  t.equal(reason(attempt(challenge, { credentials: { ...ALICE, password: 'x' } })), 'wrong');
  t.equal(reason(attempt(challenge, { method: 'INVITE' })), 'wrong', 'signed for another method');
  t.equal(reason(attempt(challenge, { credentials: { username: 'bob', password: 'x' } })), 'unknown-user');
  t.equal(reason(attempt(challenge, { uri: 'sip:other' })), 'wrong-uri');
  t.equal(reason(attempt(challenge, { uri: 'SIP:H.EXAMPLE' })), 'ok', 'an equivalent URI is the same');
  t.equal(reason(attempt(challenge)), 'replay', 'the same count again');
  t.equal(reason(attempt(challengeOf(challenger).replace('"grec"', '"other"'))), 'wrong-realm');
  const nonce = header(challenge)['nonce'] ?? '';
  for (const forged of [
    `"${'A'.repeat(44)}"`,
    '"x"',
    `${nonce.slice(0, -3)}AA"`,
    `${nonce.slice(0, -1)}="`,
  ]) {
    t.equal(reason(attempt(challenge.replace(nonce, forged))), 'forged-nonce', forged);
  }
  const other = createChallenger({ realm: 'grec', algorithms: ['MD5'], now: () => 1_700_000_000_000 });
  t.equal(reason(attempt(challengeOf(other))), 'forged-nonce', 'of another server');
  advance(300_001);
  t.equal(reason(attempt(challenge, { nc: 9 })), 'stale');
});

t.test('malformed credentials', async (t) => {
  const { challenger, verify } = setUp();
  const good =
    authorize({
      challenge: header(challengeOf(challenger)),
      credentials: ALICE,
      method: 'REGISTER',
      uri: URI,
      nc: 1,
      cnonce: 'c',
    }) ?? '';
  const without = (name: string) =>
    good.replace(new RegExp(`,? ?${name}=("[^"]*(\\\\"[^"]*)*"|[^, ]+)`), '').replace('Digest,', 'Digest');
  const bad = ['username', 'nonce', 'uri', 'response', 'nc', 'cnonce'].map(without);
  bad.push(
    good.replace('qop=auth', 'qop=auth-int'),
    good.replace('00000001', '00000000'),
    good.replace('00000001', '1'),
  );
  bad.push(
    good.replace('00000001', '0000000g'),
    good.replace('MD5', 'MD5-sess'),
    good.replace('MD5', '__proto__'),
  );
  bad.push('Basic YWJj', 'Bearer a=b');
  for (const text of bad) t.same(verify(text), { ok: false, reason: 'malformed' }, text.slice(0, 200));
  t.match(verify(good), { ok: true }, 'none of these used up the count');
});

t.test('memory of used nonces is bounded, and what it forgets cannot be replayed', async (t) => {
  const { challenger, attempt, advance } = setUp({ capacity: 3 });
  const challenges = [1, 2, 3, 4].map(() => {
    advance(1000);
    return challengeOf(challenger);
  });
  for (const challenge of challenges) t.match(attempt(challenge), { ok: true });
  t.same(attempt(challenges[0] ?? '', { nc: 1 }), { ok: false, reason: 'stale' });
  t.same(attempt(challenges[0] ?? '', { nc: 2 }), { ok: false, reason: 'stale' });
  t.match(attempt(challenges[3] ?? '', { nc: 2 }), { ok: true });
  t.match(attempt(challengeOf(challenger)), { ok: true }, 'new ones are as good as ever');
});

t.test('strangers do not fill the memory', async (t) => {
  const { challenger, attempt } = setUp({ capacity: 1 });
  const mine = challengeOf(challenger);
  t.match(attempt(mine), { ok: true });
  for (let at = 0; at < 10; at++)
    attempt(challengeOf(challenger), { credentials: { ...ALICE, password: 'guess' } });
  t.match(attempt(mine, { nc: 2 }), { ok: true });
});

t.test('the challenge', async (t) => {
  const { challenger } = setUp();
  t.match(header(challengeOf(challenger)), {
    scheme: 'Digest',
    realm: '"grec"',
    qop: '"auth"',
    algorithm: 'MD5',
  });
  t.equal(header(challengeOf(challenger))['stale'], undefined);
  t.equal(header(challengeOf(challenger, { stale: true }))['stale'], 'true');
  t.not(header(challengeOf(challenger))['nonce'], header(challengeOf(challenger))['nonce']);
});

t.test('the client takes the first challenge that it can answer', async (t) => {
  const challenges = [
    'Basic realm="r"',
    'Digest realm="r", nonce="1", algorithm=SHA-512-256',
    'Digest realm="r", nonce="2", qop="auth-int"',
    'Digest realm="r", nonce="3", algorithm=constructor',
    'Digest realm="r"',
    'Digest realm="r", nonce="4", algorithm=sha-256, qop="auth-int,auth"',
    'Digest realm="r", nonce="5"',
  ].map(header);
  t.equal(chooseChallenge(challenges)?.['nonce'], '"4"');
  t.equal(chooseChallenge(challenges.slice(0, 5)), undefined);
  for (const challenge of challenges.slice(0, 5)) {
    t.equal(
      authorize({ challenge, credentials: ALICE, method: 'INVITE', uri: URI, nc: 1, cnonce: 'c' }),
      undefined,
    );
  }
});

t.test('both algorithms are offered, the stronger one first, in headers of their own', async (t) => {
  const challenger = createChallenger({ realm: 'grec', now: () => 1_700_000_000_000 });
  t.match(challenger.challenges(), [{ algorithm: 'SHA-256' }, { algorithm: 'MD5' }]);
  t.match(challenger.challenges({ algorithms: ['MD5'] }), [{ algorithm: 'MD5' }]);
  for (const [index, challenge] of challenger.challenges().entries()) {
    const asked = { challenge, credentials: ALICE, method: 'INVITE', uri: URI, cnonce: 'c' };
    const value = authorize({ ...asked, nc: index + 1 });
    const attempt = {
      header: header(value ?? ''),
      method: 'INVITE',
      requestUri: URI,
      ha1: (username: string, algorithm: DigestAlgorithm) => ha1(username, 'grec', ALICE.password, algorithm),
    };
    t.match(challenger.verify(attempt), { ok: true }, String(challenge['algorithm']));
    t.match(
      challenger.verify({ ...attempt, header: header((value ?? '').replace(/SHA-256|MD5/, 'SHA-1')) }),
      {
        reason: 'malformed',
      },
    );
  }
});

t.test('a nonce is good for the address that asked for it, and for no other', async (t) => {
  const challenger = createChallenger({ realm: 'grec', now: () => 1_700_000_000_000 });
  const [challenge = header('Digest realm="none"')] = challenger.challenges({ from: '192.0.2.1' });
  const value = authorize({ challenge, credentials: ALICE, method: 'INVITE', uri: URI, nc: 1, cnonce: 'c' });
  const verify = (from: string) =>
    challenger.verify({
      header: header(value ?? ''),
      method: 'INVITE',
      requestUri: URI,
      from,
      ha1: (username, algorithm) => ha1(username, 'grec', ALICE.password, algorithm),
    });
  t.same(verify('192.0.2.2'), { ok: false, reason: 'forged-nonce' });
  t.match(verify('192.0.2.1'), { ok: true });
});
