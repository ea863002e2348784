// What the decoder accepts, and what it makes of it (RFC 3261 sections 7 and 20).
import t from 'tap';
import { decodeMessage } from './decode.ts';
import { isRequest, type SipMessage, type SipRequest } from './message.ts';

/** An OPTIONS with other lines in place of, or behind, its own. */
function message(
  lines: string[],
  options: { start?: string; without?: string[]; body?: string } = {},
): Buffer {
  const own = [
    'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1',
    'From: <sip:a@example.com>;tag=1',
    'To: <sip:b@example.com>',
    'Call-ID: 1@192.0.2.1',
    'CSeq: 1 OPTIONS',
  ].filter((line) => !options.without?.some((name) => line.startsWith(`${name}:`)));
  const start = options.start ?? 'OPTIONS sip:b@example.com SIP/2.0';
  return Buffer.from([start, ...own, ...lines, '', options.body ?? ''].join('\r\n'));
}

function accepted(bytes: Buffer): SipMessage {
  const result = decodeMessage(bytes);
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

function headersOf(lines: string[], without: string[] = []): SipMessage['headers'] {
  return accepted(message(lines, { without })).headers;
}

function reasonOf(lines: string[], without: string[] = []): string {
  const result = decodeMessage(message(lines, { without }));
  return result.ok ? 'accepted' : result.reason;
}

t.test('compact forms', async (t) => {
  const headers = headersOf(
    [
      'v: SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bKx',
      'f: "A" <sip:a@example.com>;tag=1',
      't: sip:b@example.com',
      'i: 2@x',
      'm: <sip:a@192.0.2.1>',
      'c: application/sdp',
      'e: gzip',
      's: hello',
      'k: timer',
      'x: 1800;refresher=uac',
      'o: presence',
      'u: dialog',
      'r: <sip:c@example.com>',
      'b: <sip:d@example.com>',
      'a: *;audio',
      'j: *;video',
      'd: proxy',
      'y: abc',
      'n: <https://example.com/cert>',
      'l: 0',
    ],
    ['Via', 'From', 'To', 'Call-ID'],
  );
  t.match(headers, {
    via: [{ protocol: 'TCP', host: '[2001:db8::1]', port: 5061, params: { branch: 'z9hG4bKx' } }],
    from: { name: '"A"' },
    to: { uri: 'sip:b@example.com' },
    'call-id': '2@x',
    contact: [{ uri: 'sip:a@192.0.2.1' }],
    'content-type': 'application/sdp',
    'content-encoding': 'gzip',
    subject: 'hello',
    supported: 'timer',
    'session-expires': '1800;refresher=uac',
    event: 'presence',
    'allow-events': 'dialog',
    'refer-to': '<sip:c@example.com>',
    'referred-by': '<sip:d@example.com>',
    'accept-contact': '*;audio',
    'reject-contact': '*;video',
    'request-disposition': 'proxy',
    identity: 'abc',
    'identity-info': '<https://example.com/cert>',
    'content-length': 0,
  });
});

t.test('values in one line and in several are one list, in order', async (t) => {
  const headers = headersOf([
    'Via: SIP/2.0/UDP h2;branch=z9hG4bK2 , SIP/2.0/TCP h3:99 ;branch=z9hG4bK3',
    'Route: <sip:p1;lr>,<sip:p2;lr>',
    'Contact: sip:a@h1,"x, \\"y\\" <z>" <sip:b@h2>;q=0.5',
    'Route: <sip:p3;lr>',
    'Contact: <sip:c@h3>',
  ]);
  t.same(
    headers.via.map(({ host, port }) => [host, port]),
    [
      ['192.0.2.1', 5060],
      ['h2', undefined],
      ['h3', 99],
    ],
  );
  t.same(
    headers.route?.map(({ uri }) => uri),
    ['sip:p1;lr', 'sip:p2;lr', 'sip:p3;lr'],
  );
  t.match(headers.contact, [
    { name: undefined, uri: 'sip:a@h1' },
    { name: '"x, \\"y\\" <z>"', uri: 'sip:b@h2', params: { q: '0.5' } },
    { uri: 'sip:c@h3' },
  ]);
});

t.test('other headers are text, repeated ones joined', async (t) => {
  const headers = headersOf(['Allow: INVITE, ACK', 'X-Thing:a ', 'Allow: BYE', 'X-Empty:']);
  t.equal(headers['allow'], 'INVITE, ACK, BYE');
  t.equal(headers['x-thing'], 'a');
  t.equal(headers['x-empty'], '');
  t.equal(headersOf(['Y-Z:', 'Y-Z: a', 'Y-Z:', 'Y-Z: b', 'Y-Z: '])['y-z'], 'a, b', 'nothing joins nothing');
});

t.test('folded lines', async (t) => {
  const headers = headersOf([
    'Subject: one\r\n two  \r\n\t three',
    'Route:\r\n <sip:p1>\r\n ;\r\n\tx\r\n =1',
  ]);
  t.equal(headers['subject'], 'one two three');
  t.match(headers.route, [{ uri: 'sip:p1', params: { x: '1' } }]);
  t.equal(
    reasonOf(['Route:\r\n <sip:p1\r\n ;lr>']),
    'malformed route',
    'a fold is a space, and a URI holds none',
  );
});

t.test('Contact: *', async (t) => {
  t.equal(headersOf(['Contact: *']).contact, '*');
  t.equal(reasonOf(['Contact: *', 'Contact: <sip:a@h>']), 'contact stands twice');
  t.equal(reasonOf(['Contact: *, <sip:a@h>']), 'malformed contact');
});

t.test('challenges and credentials', async (t) => {
  const headers = headersOf([
    'Authorization: Digest username="a\\"b, c", realm="r", nonce="n==",uri="sip:h" , response="0f", nc=00000001,qop=auth',
    'Proxy-Authorization: Basic YTpi==',
    'WWW-Authenticate: Digest realm="x", nonce="1", algorithm=SHA-256',
    'WWW-Authenticate: Digest realm="x", nonce="2"',
  ]);
  t.match(headers.authorization, [
    {
      scheme: 'Digest',
      username: '"a\\"b, c"',
      realm: '"r"',
      nonce: '"n=="',
      uri: '"sip:h"',
      nc: '00000001',
      qop: 'auth',
    },
  ]);
  t.match(headers['proxy-authorization'], [{ scheme: 'Basic', token68: 'YTpi==' }]);
  t.match(headers['www-authenticate'], [{ algorithm: 'SHA-256' }, { nonce: '"2"' }]);
  for (const bad of [
    'Digest',
    'Digest abc',
    'Digest a=1, a=2',
    'Digest scheme=Basic',
    'Digest a="1',
    'Digest ,',
    'Digest a=1,',
  ]) {
    t.equal(reasonOf([`Authorization: ${bad}`]), 'malformed authorization', bad);
  }
});

t.test('the body of a datagram', async (t) => {
  t.equal(accepted(message(['Content-Length: 3'], { body: 'abcdef' })).body.toString(), 'abc');
  t.equal(accepted(message([], { body: 'abcdef' })).body.toString(), 'abcdef');
  t.equal(accepted(message(['Content-Length: 0'], { body: 'abcdef' })).body.length, 0);
  t.equal(accepted(message(['Content-Length: 3', 'l: 3'], { body: 'abcdef' })).body.toString(), 'abc');
  t.match(decodeMessage(message(['Content-Length: 7'], { body: 'abcdef' })), {
    ok: false,
    status: 400,
    request: { method: 'OPTIONS' },
  });
});

t.test('keep-alives', async (t) => {
  for (const bytes of ['', '\r\n', '\r\n\r\n', '\r\n\r\n\r\n\r\n']) {
    t.match(decodeMessage(Buffer.from(bytes)), {
      ok: false,
      reason: 'keep-alive',
      status: undefined,
      request: undefined,
    });
  }
  t.ok(
    isRequest(accepted(Buffer.concat([Buffer.from('\r\n\r\n'), message([])]))),
    'line breaks before a message are ignored',
  );
});

t.test('a request with a fault is answered, when it is known where to', async (t) => {
  const faults: [string, string[], string[]][] = [
    ['from stands twice', ['From: <sip:x@h>;tag=2'], []],
    ['to stands twice', ['To: <sip:x@h>'], []],
    ['call-id stands twice', ['Call-ID: 2'], []],
    ['cseq stands twice', ['CSeq: 1 OPTIONS'], []],
    ['max-forwards stands twice', ['Max-Forwards: 70', 'Max-Forwards: 70'], []],
    ['content-type stands twice', ['Content-Type: a/b', 'c: a/b'], []],
    ['malformed max-forwards', ['Max-Forwards: 256'], []],
    ['malformed max-forwards', ['Max-Forwards: -1'], []],
    ['malformed expires', ['Expires: soon'], []],
    ['malformed content-length', ['Content-Length: abc'], []],
    ['malformed content-length', ['Content-Length: +5'], []],
    ['malformed content-length', ['Content-Length:'], []],
    ['content-length stands twice', ['Content-Length: 0', 'Content-Length: 1'], []],
    ['header without name', [': x'], []],
    ['header without name', ['no colon'], []],
    ['header without name', ['two words: x'], []],
    ['cseq method differs', ['CSeq: 1 INVITE'], ['CSeq']],
    ['malformed cseq', ['CSeq: 2147483648 OPTIONS'], ['CSeq']],
    ['malformed from', ['From: <sip:a@example.com>;tag=1;tag=2'], ['From']],
    ['malformed contact', ['Contact: <sip:a@h:99999>'], []],
    ['malformed contact', ['Contact: <sip:a@h:0>'], []],
    ['malformed contact', ['Contact: '], []],
    ['malformed route', ['Route: <sip:p;lr>,'], []],
  ];
  for (const [reason, lines, without] of faults) {
    const result = decodeMessage(message(lines, { without }));
    t.match(
      result,
      {
        ok: false,
        reason,
        status: 400,
        request: { method: 'OPTIONS', headers: { 'call-id': '1@192.0.2.1' } },
      },
      reason,
    );
  }
});

t.test('what cannot be answered is dropped', async (t) => {
  for (const name of ['From', 'To', 'Call-ID', 'CSeq', 'Via']) {
    const expected = { ok: false, reason: `no ${name.toLowerCase()}`, status: undefined, request: undefined };
    t.same(decodeMessage(message([], { without: [name] })), expected);
  }
  const dropped = (start: string, cseq = 'CSeq: 1 OPTIONS') => {
    const result = decodeMessage(message([cseq], { start, without: ['CSeq'] }));
    t.match(result, { ok: false, status: undefined, request: undefined }, start);
  };
  dropped('GET / HTTP/1.1');
  dropped('OPTIONS');
  dropped('');
  dropped('SIP/2.0 99 Low');
  dropped('SIP/2.0 700 High');
  dropped('SIP/2.0 2000 Long');
  dropped('SIP/2.0 20x OK');
  dropped('SIP/3.0 200 OK');
  dropped('SIP/2.0 200 OK', 'CSeq: x OPTIONS');
  dropped('ACK sip:b@example.com SIP/2.0', 'CSeq: 1 INVITE');
  t.match(decodeMessage(Buffer.from('OPTIONS sip:b@example.com SIP/2.0\r\nVia: x')), {
    reason: 'no end of headers',
  });
});

t.test('a control character ends it: an answer might have to repeat it', async (t) => {
  const expected = {
    ok: false,
    reason: 'control character in headers',
    status: undefined,
    request: undefined,
  };
  for (const text of ['a\nY: b', 'a\rb', 'a\0b', 'a\x7f', '"a\\\r"', '\x1b[2J'])
    t.same(decodeMessage(message([`X: ${text}`])), expected);
  t.equal(headersOf(['Y-Z: a\tb "\\\0\\\x07"'])['y-z'], 'a\tb "\\\0\\\x07"', 'a tab, and what is escaped');
});

t.test('a Via that cannot be read whole is answered along what can', async (t) => {
  const result = decodeMessage(message(['Via: SIP/2.0/UDP 192.0.2.9:5070;branch=;;'], { without: ['Via'] }));
  t.match(result, {
    status: 400,
    request: { headers: { via: [{ host: '192.0.2.9', port: 5070, params: {} }] } },
  });
  t.match(decodeMessage(message(['Via: SIP/2.0/UDP :5070'], { without: ['Via'] })), {
    reason: 'malformed via',
    request: undefined,
  });
});

t.test('another SIP version is answered 505', async (t) => {
  const result = decodeMessage(message([], { start: 'OPTIONS sip:b@example.com SIP/3.1' }));
  t.match(result, { ok: false, status: 505, request: { version: '3.1' } });
});

t.test('a message too large to be one', async (t) => {
  t.match(decodeMessage(message([`X: ${'x'.repeat(70_000)}`])), { ok: false, reason: 'headers too long' });
  t.equal(reasonOf(Array.from({ length: 300 }, (_, index) => `X-${index}: x`)), 'too many headers');
  t.equal(reasonOf([`Route: ${Array(101).fill('<sip:p;lr>').join(',')}`]), 'malformed route');
  t.equal(reasonOf(Array(101).fill('Route: <sip:p;lr>')), 'too many values in route');
  t.equal(
    reasonOf([`Contact: <sip:a@h>${Array.from({ length: 65 }, (_, index) => `;p${index}`).join('')}`]),
    'malformed contact',
  );
});

t.test('a display name beyond the grammar, as phones send it', async (t) => {
  for (const name of ['Jürgen Groß', 'Sales (Berlin)', "O'Neil", 'a.b@c', '12:30']) {
    const { from } = headersOf([`From: ${name} <sip:a@example.com>;tag=1`], ['From']);
    t.match(from, { name, uri: 'sip:a@example.com', params: { tag: '1' } });
  }
});

t.test('the request of a refusal is a message like any other', async (t) => {
  const result = decodeMessage(message(['Max-Forwards: 999'], { body: 'x' }));
  if (result.ok) return t.fail('accepted');
  const { request } = result as { request: SipRequest };
  t.match(request, { method: 'OPTIONS', uri: 'sip:b@example.com', version: '2.0' });
  t.equal(request.headers['max-forwards'], undefined);
});
