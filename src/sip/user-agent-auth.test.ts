// Challenges answered with credentials: REGISTER, INVITE, and inside dialogs (RFC 3261 section 22).
import t from 'tap';
import { createChallenger, ha1 } from './digest.ts';
import { answerTo, headerOf, udpPeer } from './raw-peer-fixture.ts';
import type { Dialog, IncomingRequest } from './user-agent.ts';
import { eventually, newAgent } from './user-agent-fixture.ts';

const CREDENTIALS = { username: '1001', password: 'secret' };
const FROM = { uri: 'sip:1001@example.com' };

/** Challenges every request without good credentials; true when it may pass. */
function gate() {
  const challenger = createChallenger({ realm: 'grec', now: () => Date.now() });
  const seen: { method: string; seq: number; verdict: string }[] = [];
  const pass = (request: IncomingRequest): boolean => {
    const { message } = request;
    const header = message.headers.authorization?.[0];
    const verdict =
      header &&
      challenger.verify({
        header,
        method: message.method,
        requestUri: message.uri,
        ha1: (username, algorithm) => ha1(username, 'grec', CREDENTIALS.password, algorithm),
      });
    const { seq } = message.headers.cseq;
    seen.push({
      method: message.method,
      seq,
      verdict: verdict === undefined ? 'none' : verdict.ok ? 'ok' : verdict.reason,
    });
    if (verdict?.ok) return true;
    request.respond(401, { challenges: challenger.challenges() });
    return false;
  };
  return { seen, pass };
}

t.test('REGISTER: challenged once, answered with the next number, same Call-ID and From', async (t) => {
  const { seen, pass } = gate();
  const ids = new Set<string>();
  const { target } = await newAgent(t, {
    onRequest: (request) => {
      const { from, 'call-id': callId } = request.message.headers;
      ids.add(`${callId} ${from.params['tag']}`);
      if (pass(request)) request.respond(200);
    },
  });
  const { agent } = await newAgent(t, {});
  const options = { method: 'REGISTER', uri: target, from: FROM, to: FROM };
  const good = await agent.request({ ...options, credentials: CREDENTIALS });
  t.equal(good.status, 200);
  t.same(seen, [
    { method: 'REGISTER', seq: 1, verdict: 'none' },
    { method: 'REGISTER', seq: 2, verdict: 'ok' },
  ]);
  t.equal(ids.size, 1);
});

t.test(
  'REGISTER: a wrong password gets its 401, without a third try; no credentials, no second',
  async (t) => {
    const { seen, pass } = gate();
    const { target } = await newAgent(t, { onRequest: (request) => void pass(request) });
    const { agent } = await newAgent(t, {});
    const options = { method: 'REGISTER', uri: target, from: FROM, to: FROM };
    const bad = await agent.request({ ...options, credentials: { username: '1001', password: 'wrong' } });
    t.equal(bad.status, 401);
    t.same(
      seen.map(({ verdict }) => verdict),
      ['none', 'wrong'],
    );
    t.equal((await agent.request(options)).status, 401);
    t.equal(seen.length, 3);
  },
);

t.test('stale=true is answered once more, and not for ever', async (t) => {
  let asked = 0;
  const { target } = await newAgent(t, {
    onRequest: (request) => {
      asked += 1;
      const challenge = `Digest realm="grec", nonce="n${asked}", qop="auth", algorithm=MD5, stale=true`;
      request.respond(401, { headers: { 'www-authenticate': challenge } });
    },
  });
  const { agent } = await newAgent(t, {});
  const answer = await agent.request({
    method: 'OPTIONS',
    uri: target,
    from: FROM,
    to: FROM,
    credentials: CREDENTIALS,
  });
  t.equal(answer.status, 401);
  t.equal(asked, 3);
});

t.test('407 is answered with Proxy-Authorization; a challenge of an unknown scheme is not', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const uri = `sip:2002@127.0.0.1:${peer.port}`;
  const ask = () =>
    agent.request({ method: 'OPTIONS', uri, from: FROM, to: { uri }, credentials: CREDENTIALS });
  const first = ask();
  const challenge = 'Proxy-Authenticate: Digest realm="p", nonce="abc", qop="auth"';
  peer.send(
    answerTo(await peer.expect(/^OPTIONS [\s\S]*CSeq: 1 /i), '407 Proxy Authentication Required', [
      challenge,
    ]),
    port,
  );
  const again = await peer.expect(/^OPTIONS [\s\S]*CSeq: 2 /i);
  t.match(
    headerOf(again, 'proxy-authorization'),
    /^Digest username="1001", realm="p", nonce="abc", uri="sip:2002@/,
  );
  t.equal(headerOf(again, 'authorization'), '');
  peer.send(answerTo(again, '200 OK'), port);
  t.equal((await first).status, 200);

  const from = peer.received.length;
  const second = ask();
  const other = await peer.expect(/^OPTIONS /, from);
  peer.send(answerTo(other, '401 Unauthorized', ['WWW-Authenticate: Negotiate abcdef']), port);
  t.equal((await second).status, 401);
});

t.test(
  'INVITE with credentials: the ACK carries them, and requests in the dialog are answered too',
  async (t) => {
    const { seen, pass } = gate();
    let callee: Dialog | undefined;
    let acked = '';
    const { target } = await newAgent(t, {
      onInvite: (invite) => {
        if (!pass(invite)) return;
        callee = invite.accept();
        callee.onAck = (ack) => {
          acked = ack.headers.authorization?.[0]?.scheme ?? 'none';
        };
        callee.onRequest = (request) => {
          if (pass(request)) request.respond(200);
        };
        callee.onReinvite = callee.onRequest;
      },
    });
    const { agent } = await newAgent(t, {});
    const dialog = await new Promise<Dialog>((resolve, reject) => {
      agent.invite({
        uri: target,
        from: FROM,
        to: { uri: target },
        credentials: CREDENTIALS,
        onAccepted: (_response, accepted, ack) => {
          ack();
          resolve(accepted);
        },
        onRejected: ({ status }) => reject(new Error(String(status))),
      });
    });
    await eventually(() => acked !== '');
    t.equal(acked, 'Digest');
    t.equal((await dialog.request('INFO')).status, 200);
    const { response, ack } = await dialog.reinvite({});
    ack();
    t.equal(response.status, 200);
    t.same(
      seen.map(({ method, seq, verdict }) => `${method} ${seq} ${verdict}`),
      ['INVITE 1 none', 'INVITE 2 ok', 'INFO 3 none', 'INFO 4 ok', 'INVITE 5 none', 'INVITE 6 ok'],
    );
    t.equal((await dialog.bye()).status, 200);
  },
);

t.test('INVITE: credentials are not sent for a call that was cancelled meanwhile', async (t) => {
  const peer = await udpPeer(t);
  const { agent, port } = await newAgent(t, {});
  const uri = `sip:2002@127.0.0.1:${peer.port}`;
  const rejected: number[] = [];
  const outgoing = agent.invite({
    uri,
    from: FROM,
    to: { uri },
    credentials: CREDENTIALS,
    onAccepted: () => t.fail('not accepted'),
    onRejected: ({ status }) => rejected.push(status),
  });
  const invite = await peer.expect(/^INVITE /);
  outgoing.cancel();
  peer.send(answerTo(invite, '401 Unauthorized', ['WWW-Authenticate: Digest realm="r", nonce="n"']), port);
  await eventually(() => rejected.length > 0);
  t.same(rejected, [401]);
  await peer.expect(/^ACK /);
  t.notOk(peer.received.some((text) => /CSeq: 2 INVITE/i.test(text)));
});
