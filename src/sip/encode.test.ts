// What is printed, and what is refused to be (RFC 3261 section 7).
import t from 'tap';
import { GrecError } from '../errors.ts';
import { decodeMessage } from './decode.ts';
import { encodeMessage } from './encode.ts';
import type { NameAddr, Params, SipRequest } from './message.ts';

function params(entries: Params = {}): Params {
  return Object.assign(Object.create(null), entries);
}

function nameAddr(uri: string, entries: Params = {}, name?: string): NameAddr {
  return { name, uri, params: params(entries) };
}

function request(extra: Record<string, unknown> = {}, changes: Partial<SipRequest> = {}): SipRequest {
  const headers = Object.assign(Object.create(null), {
    via: [
      {
        version: '2.0',
        protocol: 'UDP',
        host: '192.0.2.1',
        port: 5060,
        params: params({ branch: 'z9hG4bK1', rport: null }),
      },
    ],
    from: nameAddr('sip:a@h', { tag: '1' }, '"A"'),
    to: nameAddr('sip:b@h'),
    'call-id': '1',
    cseq: { seq: 1, method: 'INVITE' },
    ...extra,
  });
  return { method: 'INVITE', uri: 'sip:b@h', version: '2.0', headers, body: Buffer.alloc(0), ...changes };
}

function lines(message: SipRequest): string[] {
  return encodeMessage(message).toString('latin1').split('\r\n');
}

t.test('a request, header by header', async (t) => {
  const message = request({
    'max-forwards': 70,
    contact: [nameAddr('sip:a@h', { expires: '60' })],
    subject: 'ü',
  });
  t.same(encodeMessage(message).toString().replaceAll('  ', ' ').split('\r\n'), [
    'INVITE sip:b@h SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport',
    'From: "A" <sip:a@h>;tag=1',
    'To: <sip:b@h>',
    'Call-ID: 1',
    'CSeq: 1 INVITE',
    'Max-Forwards: 70',
    'Contact: <sip:a@h>;expires=60',
    'Subject: ü',
    'Content-Length: 0',
    '',
    '',
  ]);
});

t.test('a body, with its length in bytes whatever the message says of it', async (t) => {
  const bytes = encodeMessage(request({ 'content-length': 99 }, { body: Buffer.from('ü\0') }));
  t.ok(bytes.toString('latin1').endsWith('\r\nContent-Length: 3\r\n\r\n\xc3\xbc\0'));
  t.equal(bytes.toString('latin1').match(/Content-Length/gi)?.length, 1);
});

t.test('the message is left as it was', async (t) => {
  const message = request({ 'content-length': 7 });
  const before = structuredClone(message.headers);
  encodeMessage(message);
  t.same(message.headers, before);
});

t.test('bytes that are not UTF-8 go out as they came', async (t) => {
  const bytes = Buffer.concat([
    Buffer.from('INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: J'),
    Buffer.of(0xfc),
    Buffer.from('rgen <sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n'),
  ]);
  const result = decodeMessage(bytes);
  if (!result.ok) return t.fail(result.reason);
  t.ok(encodeMessage(result.message).includes(Buffer.from('J\xfcrgen <sip:a@h>', 'latin1')));
});

t.test('an opaque credential is printed as it came', async (t) => {
  const auth = Object.assign(Object.create(null), { scheme: 'Basic', token68: 'YTpi==' });
  t.ok(
    lines(request({ authorization: [auth] })).some((line) => line.trim() === 'Authorization: Basic YTpi=='),
  );
});

t.test('nothing that would become another header is printed', async (t) => {
  const evil = ['x\r\nRoute: <sip:evil>', 'x\nRoute: y', 'x\ry', 'x\0y'];
  for (const text of evil) {
    const messages: [string, SipRequest][] = [
      ['value', request({ subject: text })],
      ['name', request({ [text]: 'x' })],
      ['call-id', request({ 'call-id': text })],
      ['display name', request({ to: nameAddr('sip:b@h', {}, text) })],
      ['URI', request({ to: nameAddr(text) })],
      ['parameter', request({ to: nameAddr('sip:b@h', { tag: text }) })],
      ['parameter name', request({ to: nameAddr('sip:b@h', { [text]: null }) })],
      ['list', request({ route: [nameAddr('sip:p;lr'), nameAddr(text)] })],
      [
        'via host',
        request({ via: [{ version: '2.0', protocol: 'UDP', host: text, port: 1, params: params() }] }),
      ],
      [
        'via protocol',
        request({ via: [{ version: '2.0', protocol: text, host: 'h', port: 1, params: params() }] }),
      ],
      [
        'credentials',
        request({ authorization: [Object.assign(Object.create(null), { scheme: 'Digest', a: text })] }),
      ],
      ['cseq', request({ cseq: { seq: 1, method: text } })],
      ['request-uri', request({}, { uri: text })],
      ['method', request({}, { method: text })],
    ];
    for (const [where, message] of messages) {
      t.throws(() => encodeMessage(message), { code: 'SIP_INVALID' }, `${where}: ${JSON.stringify(text)}`);
    }
    const { headers } = request();
    const response = { status: 200, reason: text, version: '2.0', headers, body: Buffer.alloc(0) };
    t.throws(() => encodeMessage(response), { code: 'SIP_INVALID' }, 'reason');
  }
});

t.test('a URI cannot leave its brackets, nor the request line', async (t) => {
  for (const uri of ['sip:a@h>;tag=x', 'sip:a@h <x', 'sip:a@h SIP/2.0', '']) {
    t.throws(() => encodeMessage(request({ to: nameAddr(uri) })), GrecError, uri);
    t.throws(() => encodeMessage(request({}, { uri })), GrecError, uri);
  }
});
