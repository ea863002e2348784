// The 49 torture test messages of RFC 4475, each against what the RFC asks of an element that receives it.
import { readdirSync, readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { decodeMessage } from './decode.ts';
import { encodeMessage } from './encode.ts';
import { isRequest, type NameAddr, type SipMessage, type SipRequest, type SipResponse } from './message.ts';
import { makeResponse } from './response.ts';
import { unquote } from './scan.ts';
import { isAbsoluteUri, parseUri } from './uri.ts';

const FOLDER = new URL('./fixtures/torture/', import.meta.url);

function bytesOf(name: string): Buffer {
  return readFileSync(new URL(`${name}.dat`, FOLDER));
}

function decoded(name: string): SipMessage {
  const result = decodeMessage(bytesOf(name));
  if (!result.ok) throw new Error(`${name} refused: ${result.reason}`);
  return result.message;
}

function request(name: string): SipRequest {
  const message = decoded(name);
  if (!isRequest(message)) throw new Error(`${name} is a response`);
  return message;
}

function response(name: string): SipResponse {
  const message = decoded(name);
  if (isRequest(message)) throw new Error(`${name} is a request`);
  return message;
}

function contacts(message: SipMessage): NameAddr[] {
  const { contact } = message.headers;
  return Array.isArray(contact) ? contact : [];
}

const tested = new Set<string>();

function check(name: string, what: string, body: (t: Test) => void): void {
  tested.add(name);
  t.test(`${name}: ${what}`, async (t) => body(t));
}

/** A message that RFC 4475 wants answered: the answer can be printed, and goes back by the request's Via. */
function answered(name: string, section: string, status: number, reason: string): void {
  check(name, `section ${section}, answered ${status}`, (t) => {
    const result = decodeMessage(bytesOf(name));
    t.match(result, { ok: false, status, reason });
    if (result.ok || result.request === undefined) return t.fail('there is nothing to answer');
    const answer = decodeMessage(encodeMessage(makeResponse(result.request, status, { toTag: 'x' })));
    t.ok(answer.ok, 'the answer is a message');
    if (!answer.ok) return;
    t.equal((answer.message as SipResponse).status, status);
    t.equal(answer.message.headers.cseq.method, result.request.headers.cseq.method);
    t.equal(answer.message.headers['call-id'], result.request.headers['call-id']);
    t.same(answer.message.headers.via, result.request.headers.via);
  });
}

function dropped(name: string, section: string, reason: string): void {
  check(name, `section ${section}, dropped`, (t) => {
    t.same(decodeMessage(bytesOf(name)), { ok: false, reason, status: undefined, request: undefined });
  });
}

// Section 3.1.1: valid messages

check('wsinv', '3.1.1.1, a short tortuous INVITE', (t) => {
  const { method, uri, headers, body } = request('wsinv');
  t.equal(method, 'INVITE');
  t.equal(uri, 'sip:vivekg@chair-dnrc.example.com;unknownparam');
  t.match(headers.to, {
    name: undefined,
    uri: 'sip:vivekg@chair-dnrc.example.com',
    params: { tag: '1918181833n' },
  });
  t.match(headers.from, { uri: 'sip:jdrosen@example.com', params: { tag: '98asjd8' } });
  t.equal(unquote(headers.from.name ?? ''), 'J Rosenberg \\"');
  t.equal(headers['max-forwards'], 68);
  t.equal(headers['call-id'], 'wsinv.ndaksdj@192.0.2.1');
  t.same(headers.cseq, { seq: 9, method: 'INVITE' });
  t.match(headers.via, [
    { version: '2.0', protocol: 'UDP', host: '192.0.2.2', port: undefined, params: { branch: '390skdjuw' } },
    { protocol: 'TCP', host: 'spindle.example.com', params: { branch: 'z9hG4bK9ikj8' } },
    { protocol: 'UDP', host: '192.168.255.111', params: { branch: 'z9hG4bK30239' } },
  ]);
  t.equal(headers['subject'], '');
  t.equal(headers['newfangledheader'], 'newfangled value continued newfangled value');
  t.equal(headers['unknownheaderwithunusualvalue'], ';;,,;;,;');
  t.match(headers.route, [{ uri: 'sip:services.example.com;lr;unknownwith=value;unknown-no-value' }]);
  t.match(contacts(decoded('wsinv')), [
    {
      name: '"Quoted string \\"\\""',
      uri: 'sip:jdrosen@example.com',
      params: { newparam: 'newvalue', secondparam: null, q: '0.33' },
    },
  ]);
  t.equal(body.length, 150);
});

check('intmeth', '3.1.1.2, a wide range of valid characters', (t) => {
  const { method, uri, headers } = request('intmeth');
  t.equal(method, "!interesting-Method0123456789_*+`.%indeed'~");
  t.match(parseUri(uri), {
    user: "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
    password: "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
    host: 'example.com',
  });
  t.equal(headers.via[0]?.params['branch'], "z9hG4bK-.!%66*_+`'~");
  t.equal(unquote(headers.to.name ?? ''), 'BEL:\x07 NUL:\0 DEL:\x7f');
  t.equal(headers.from.name, "token1~` token2'+_ token3*%!.-");
  t.equal(headers.from.params["fromparam''~+*_!.-%"], '"работающий"');
  t.equal(headers.from.params['tag'], "_token~1'+`*%!-.");
  t.equal(headers['call-id'], 'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{');
  t.equal(headers['max-forwards'], 255);
  t.equal(headers["extensionheader-!.%*+_`'~"], '\ufeff大停電');
  t.same(bytesOf('intmeth').includes(encodeMessage(decoded('intmeth')).subarray(0, 160)), true);
});

check('esc01', '3.1.1.3, valid use of the % escaping mechanism', (t) => {
  const { uri, headers } = request('esc01');
  t.match(parseUri(uri), { user: 'sips:user@example.com', host: 'example.net' });
  t.match(parseUri(headers.to.uri), { user: 'user', host: 'example.com' });
  t.match(parseUri(headers.from.uri), { user: 'I have spaces', host: 'example.net' });
  const contact = parseUri(contacts(decoded('esc01'))[0]?.uri ?? '');
  t.match(contact, { user: 'caller', params: { lr: null, name: 'value%41' } });
});

check('escnull', '3.1.1.4, escaped nulls in URIs', (t) => {
  const { headers } = request('escnull');
  t.match(parseUri(headers.to.uri), { user: 'null-\0-null' });
  t.same(
    contacts(decoded('escnull')).map(({ uri }) => parseUri(uri)?.user),
    ['\0', '\0\0'],
  );
});

check('esc02', '3.1.1.5, use of % when it is not an escape', (t) => {
  const { method, headers } = request('esc02');
  t.equal(method, 'RE%47IST%45R');
  t.equal(headers.cseq.method, 'RE%47IST%45R');
  t.equal(headers.to.name, '"%Z%45"');
  t.equal(contacts(decoded('esc02')).length, 2, 'C%6Fntact is not Contact');
  t.equal(headers['c%6fntact'], '<sip:alias2@host2.example.com>');
});

check('lwsdisp', '3.1.1.6, no LWS between display name and <', (t) => {
  t.match(request('lwsdisp').headers.from, {
    name: 'caller',
    uri: 'sip:caller@example.com',
    params: { tag: '323' },
  });
});

check('longreq', '3.1.1.7, long values in header fields', (t) => {
  const { headers } = request('longreq');
  t.equal(headers.via.length, 34);
  t.match(parseUri(headers.to.uri), { user: 'user', host: 'example.com', port: 6000 });
  t.equal(headers.from.params['tag']?.length, 155);
  t.equal(headers['content-length'], 150);
});

check('dblreq', '3.1.1.8, extra trailing octets in a UDP datagram', (t) => {
  const { method, headers, body } = request('dblreq');
  t.equal(method, 'REGISTER');
  t.equal(headers['call-id'], 'dblreq.0ha0isndaksdj99sdfafnl3lk233412');
  t.equal(body.length, 0);
});

check('semiuri', '3.1.1.9, semicolon-separated parameters in the user part', (t) => {
  t.match(parseUri(request('semiuri').uri), {
    user: 'user;par=u@example.net',
    host: 'example.com',
    params: {},
  });
});

check('transports', '3.1.1.10, varied and unknown transport types', (t) => {
  const protocols = request('transports').headers.via.map(({ protocol }) => protocol);
  t.same(protocols, ['UDP', 'SCTP', 'TLS', 'UNKNOWN', 'TCP']);
});

check('mpart01', '3.1.1.11, a multipart MIME message', (t) => {
  const { headers, body } = request('mpart01');
  t.equal(body.length, 553);
  t.equal(headers['content-type'], 'multipart/mixed;boundary=7a9cbec02ceef655');
  t.ok(
    encodeMessage(decoded('mpart01')).subarray(-553).equals(bytesOf('mpart01').subarray(-553)),
    'byte for byte',
  );
});

check('unreason', '3.1.1.12, an unusual reason phrase', (t) => {
  const { status, reason } = response('unreason');
  t.equal(status, 200);
  t.equal(reason, '= 2**3 * 5**2 но сто девяносто девять - простое');
});

check('noreason', '3.1.1.13, an empty reason phrase', (t) => {
  t.match(response('noreason'), { status: 100, reason: '' });
});

// Section 3.1.2: invalid messages

answered('badinv01', '3.1.2.1', 400, 'malformed via');
answered('clerr', '3.1.2.2', 400, 'body shorter than content-length');
answered('ncl', '3.1.2.3', 400, 'malformed content-length');
answered('scalar02', '3.1.2.4', 400, 'malformed cseq');
dropped('scalarlg', '3.1.2.5', 'malformed cseq');
answered('quotbal', '3.1.2.6', 400, 'malformed to');
answered('ltgtruri', '3.1.2.7', 400, 'malformed request-uri');
answered('lwsruri', '3.1.2.8', 400, 'malformed request-uri');
answered('lwsstart', '3.1.2.9', 400, 'malformed request-uri');
answered('trws', '3.1.2.10', 400, 'malformed request line');
answered('escruri', '3.1.2.11', 400, 'malformed request-uri');
check(
  'baddate',
  '3.1.2.12, a Date that is not in GMT: nothing here reads it, so it passes, as section 3.1.2.12 allows',
  (t) => {
    t.equal(request('baddate').headers['date'], 'Fri, 01 Jan 2010 16:00:00 EST');
  },
);
answered('regbadct', '3.1.2.13', 400, 'malformed contact');
answered('badaspec', '3.1.2.14', 400, 'malformed to');
answered('baddn', '3.1.2.15', 400, 'malformed from');
answered('badvers', '3.1.2.16', 505, 'unknown version');
answered('mismatch01', '3.1.2.17', 400, 'cseq method differs');
answered('mismatch02', '3.1.2.18', 400, 'cseq method differs');
dropped('bigcode', '3.1.2.19', 'not SIP');

// Section 3.2: transaction layer semantics

check(
  'badbranch',
  '3.2.1, a branch of the magic cookie alone; the transaction layer takes it for none',
  (t) => {
    t.equal(request('badbranch').headers.via[0]?.params['branch'], 'z9hG4bK');
  },
);

// Section 3.3: application-layer semantics

dropped('insuf', '3.3.1', 'no from');
check('unkscm', '3.3.2, a Request-URI of an unknown scheme; 416 is for the layer above', (t) => {
  const { uri } = request('unkscm');
  t.equal(uri, 'nobodyKnowsThisScheme:totallyopaquecontent');
  t.equal(parseUri(uri), undefined);
  t.ok(isAbsoluteUri(uri), 'well-formed, hence 416 and not 400');
});
check('novelsc', '3.3.3, a Request-URI of a known but atypical scheme; 416 is for the layer above', (t) => {
  const { uri } = request('novelsc');
  t.equal(uri, 'soap.beep://192.0.2.103:3002');
  t.equal(parseUri(uri), undefined);
  t.ok(isAbsoluteUri(uri));
});
check('unksm2', '3.3.4, unknown schemes in To, From and Contact; the registrar has no such address', (t) => {
  const { headers } = request('unksm2');
  t.equal(headers.to.uri, 'isbn:2983792873');
  t.equal(headers.from.uri, 'http://www.example.com');
  t.equal(contacts(decoded('unksm2'))[0]?.uri, 'name:John_Smith');
});
check('bext01', '3.3.5, unknown Require and Proxy-Require; 420 is for the layer above', (t) => {
  const { headers } = request('bext01');
  t.equal(headers['require'], 'nothingSupportsThis, nothingSupportsThisEither');
  t.equal(headers['proxy-require'], 'noProxiesSupportThis, norDoAnyProxiesSupportThis');
});
check('invut', '3.3.6, an unknown Content-Type; 415 is for the layer above', (t) => {
  t.equal(request('invut').headers['content-type'], 'application/unknownformat');
});
check('regaut01', '3.3.7, an unknown authorization scheme; 401 is for the layer above', (t) => {
  t.match(request('regaut01').headers.authorization, [
    { scheme: 'NoOneKnowsThisScheme', 'opaque-data': 'here' },
  ]);
});
answered('multi01', '3.3.8', 400, 'cseq stands twice');
answered('mcl01', '3.3.9', 400, 'content-length stands twice');
check('bcast', '3.3.10, a 200 with a second, broadcast Via; a user agent client drops what has two', (t) => {
  t.same(
    response('bcast').headers.via.map(({ host }) => host),
    ['192.0.2.198', '255.255.255.255'],
  );
});
check('zeromf', '3.3.11, Max-Forwards 0 is no error for the element that answers', (t) => {
  t.equal(request('zeromf').headers['max-forwards'], 0);
});
check('cparam01', '3.3.12, a parameter behind a bare Contact address is a Contact parameter', (t) => {
  const [contact] = contacts(decoded('cparam01'));
  t.match(contact, { uri: 'sip:+19725552222@gw1.example.net', params: { unknownparam: null } });
});
check('cparam02', '3.3.13, a parameter inside the brackets is a URI parameter', (t) => {
  const [contact] = contacts(decoded('cparam02'));
  t.same(contact, { name: undefined, uri: 'sip:+19725552222@gw1.example.net;unknownparam', params: {} });
});
check('regescrt', '3.3.14, a Contact URI with an escaped Route header', (t) => {
  const [contact] = contacts(decoded('regescrt'));
  t.match(parseUri(contact?.uri ?? ''), { user: 'user', headers: 'Route=%3Csip:sip.example.com%3E' });
});
check('sdp01', '3.3.15, an Accept without SDP; 406 is for the layer above', (t) => {
  t.equal(request('sdp01').headers['accept'], 'text/nobodyKnowsThis');
});

// Section 3.4: backward compatibility

check('inv2543', '3.4.1, an INVITE of RFC 2543: no branch, no From tag, no Max-Forwards', (t) => {
  const { headers, body } = request('inv2543');
  t.same(headers.via, [
    { version: '2.0', protocol: 'UDP', host: 'iftgw.example.com', port: undefined, params: {} },
  ]);
  t.equal(headers.from.params['tag'], undefined);
  t.equal(headers['max-forwards'], undefined);
  t.match(headers['record-route'], [{ uri: 'sip:UserB@example.com;maddr=ss1.example.com' }]);
  t.ok(body.length > 0, 'without Content-Length the body is the rest of the datagram');
});

t.test('every message of the RFC is here', async (t) => {
  const files = readdirSync(FOLDER).map((file) => file.replace('.dat', ''));
  t.equal(files.length, 49);
  t.same([...tested].sort(), files.sort());
});

t.test('every accepted one is printed and read again as the same message', async (t) => {
  for (const name of tested) {
    const result = decodeMessage(bytesOf(name));
    if (!result.ok) continue;
    const again = decodeMessage(encodeMessage(result.message));
    if (!again.ok) return t.fail(`${name}: ${again.reason}`);
    t.same(
      { ...again.message.headers, 'content-length': 0 },
      { ...result.message.headers, 'content-length': 0 },
      name,
    );
    t.ok(again.message.body.equals(result.message.body), `${name}: body`);
  }
});
