// Responses share what they must with their request, and nothing else (RFC 3261 section 8.2.6).
import t from 'tap';
import { decodeMessage } from './decode.ts';
import type { SipRequest } from './message.ts';
import { makeResponse, reasonPhrase } from './response.ts';

function request(to = '<sip:b@h>', method = 'INVITE'): SipRequest {
  const text = [
    `${method} sip:b@h SIP/2.0`,
    'Via: SIP/2.0/UDP h1;branch=z9hG4bK1',
    'Via: SIP/2.0/UDP h2;branch=z9hG4bK2',
    'Record-Route: <sip:p1;lr>, <sip:p2;lr>',
    'From: <sip:a@h>;tag=f',
    `To: ${to}`,
    'Call-ID: 1',
    `CSeq: 7 ${method}`,
    'Subject: not copied',
    '',
    '',
  ];
  const result = decodeMessage(Buffer.from(text.join('\r\n')));
  if (!result.ok) throw new Error(result.reason);
  return result.message as SipRequest;
}

t.test('the headers of the request', async (t) => {
  const response = makeResponse(request(), 486, { toTag: 't' });
  t.match(response, { version: '2.0', status: 486, reason: 'Busy Here', body: Buffer.alloc(0) });
  t.same(Object.keys(response.headers), ['via', 'from', 'to', 'call-id', 'cseq']);
  t.same(
    response.headers.via.map(({ host }) => host),
    ['h1', 'h2'],
  );
  t.equal(response.headers.from.params['tag'], 'f');
  t.same(response.headers.cseq, { seq: 7, method: 'INVITE' });
});

t.test('the To tag', async (t) => {
  t.equal(makeResponse(request(), 180, { toTag: 't' }).headers.to.params['tag'], 't');
  t.equal(
    makeResponse(request('<sip:b@h>;tag=theirs'), 180, { toTag: 't' }).headers.to.params['tag'],
    'theirs',
  );
  t.equal(makeResponse(request(), 100).headers.to.params['tag'], undefined);
});

t.test('Record-Route goes where a dialog is formed', async (t) => {
  const routes = (status: number, method?: string) =>
    makeResponse(request(undefined, method), status).headers['record-route']?.length;
  t.equal(routes(180), 2);
  t.equal(routes(200), 2);
  t.equal(routes(100), undefined);
  t.equal(routes(486), undefined);
  t.equal(routes(200, 'BYE'), undefined);
});

t.test("reason, headers and body of one's own", async (t) => {
  const response = makeResponse(request(), 200, {
    reason: 'Fine',
    headers: { supported: 'timer' },
    body: { type: 'text/plain', bytes: 'ü' },
  });
  t.equal(response.reason, 'Fine');
  t.equal(response.headers['supported'], 'timer');
  t.equal(response.headers['content-type'], 'text/plain');
  t.same(response.body, Buffer.from('ü'));
});

t.test('reason phrases', async (t) => {
  t.equal(reasonPhrase(481), 'Call/Transaction Does Not Exist');
  t.equal(reasonPhrase(499), 'Request Failed');
  t.equal(reasonPhrase(299), 'OK');
});
