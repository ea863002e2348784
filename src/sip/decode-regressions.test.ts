// Every parser bug found in npm `sip` 0.0.6, as a test that our decoder does not have it (one test, one bug).
import t, { type Test } from 'tap';
import { cpuMsOf } from '../testing/cpu-time.ts';
import { decodeMessage } from './decode.ts';
import { encodeMessage } from './encode.ts';
import type { NameAddr, SipMessage, SipRequest } from './message.ts';
import { makeResponse } from './response.ts';
import { StreamDecoder } from './stream.ts';

const HEADERS = {
  Via: 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
  From: '<sip:a@example.com>;tag=1',
  To: '<sip:b@example.com>',
  'Call-ID': '1',
  CSeq: '1 INVITE',
};

function bytesOf(changes: Record<string, string> = {}, body = ''): Buffer {
  const lines = Object.entries({ ...HEADERS, ...changes }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`INVITE sip:b@example.com SIP/2.0\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

function decoded(changes: Record<string, string> = {}, body = ''): SipMessage {
  const result = decodeMessage(bytesOf(changes, body));
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

function contactsOf(message: SipMessage): NameAddr[] {
  return Array.isArray(message.headers.contact) ? message.headers.contact : [];
}

/** Milliseconds of CPU of the fastest of a few decodes: what the work takes, without what else the machine does. */
function cost(bytes: Buffer): number {
  let fastest = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 7; run++)
    fastest = Math.min(
      fastest,
      cpuMsOf(() => void decodeMessage(bytes)),
    );
  return fastest;
}

/** 64 KB take milliseconds, and twice the input about twice the time (4 ms allow for a loaded machine). */
function linear(t: Test, make: (repeats: number) => Buffer, unit: number): void {
  const repeats = Math.floor(30_000 / unit);
  const half = cost(make(repeats));
  const whole = cost(make(2 * repeats));
  t.ok(whole < 20, `60 KB in ${whole.toFixed(2)} ms`);
  t.ok(whole < 3 * half + 4, `30 KB in ${half.toFixed(2)} ms, 60 KB in ${whole.toFixed(2)} ms`);
}

t.test('a Via parameter named __proto__ ended the process', async (t) => {
  const { headers } = decoded({ Via: 'SIP/2.0/UDP h;__proto__=x;constructor;branch=z9hG4bK1' });
  const [via] = headers.via;
  t.same(Object.keys(via?.params ?? {}), ['__proto__', 'constructor', 'branch']);
  t.same(inherited(via?.params), []);
  t.equal(({} as Record<string, unknown>)['x'], undefined);
});

t.test('a header named __proto__ is a header', async (t) => {
  const result = decodeMessage(
    Buffer.from(bytesOf().toString().replace('Via:', '__proto__: x\r\nconstructor: y\r\nVia:')),
  );
  if (!result.ok) return t.fail(result.reason);
  const { headers } = result.message;
  t.same(Object.keys(headers).slice(0, 2), ['__proto__', 'constructor']);
  t.same(inherited(headers), []);
});

t.test('an auth parameter named __proto__ is a parameter', async (t) => {
  const { headers } = decoded({ Authorization: 'Digest __proto__=x, a=b' });
  t.same(Object.keys(headers.authorization?.[0] ?? {}), ['scheme', '__proto__', 'a']);
});

for (const name of ['From', 'To', 'Contact', 'Route', 'Record-Route']) {
  t.test(`${name} with < and spaces took cubic time`, async (t) => {
    linear(t, (n) => bytesOf({ [name]: `<${' '.repeat(n)}` }), 1);
    linear(t, (n) => bytesOf({ [name]: `"${'\\"'.repeat(n)}` }), 2);
    linear(t, (n) => bytesOf({ [name]: 'a '.repeat(n) }), 2);
    linear(t, (n) => bytesOf({ [name]: '<sip:a@h>,'.repeat(n) }), 10);
    linear(t, (n) => bytesOf({ [name]: `<sip:a@h>${';a'.repeat(n)}` }), 2);
    linear(t, (n) => bytesOf({ [name]: `<sip:${'%41'.repeat(n)}@h>` }), 3);
  });
}

t.test('a long Via took seconds', async (t) => {
  linear(t, (n) => bytesOf({ Via: `SIP/2.0/UDP h${' '.repeat(n)};` }), 1);
  linear(t, (n) => bytesOf({ Via: `SIP/2.0/UDP h;b="${'\\a'.repeat(n)}` }), 2);
  linear(t, (n) => bytesOf({ Via: 'SIP/2.0/UDP h;branch=z9hG4bK1,'.repeat(n) }), 30);
});

t.test('a long Authorization took seconds', async (t) => {
  linear(t, (n) => bytesOf({ Authorization: `Digest ${'a'.repeat(n)}` }), 1);
  linear(t, (n) => bytesOf({ Authorization: `Digest ${'a="b",'.repeat(n)}` }), 6);
  linear(t, (n) => bytesOf({ Authorization: `Digest a="${'\\"'.repeat(n)}` }), 2);
});

t.test('many header lines and many folds are linear too', async (t) => {
  linear(t, (n) => bytesOf({ X: `a${'\r\nX: a'.repeat(n)}` }), 6);
  linear(t, (n) => bytesOf({ X: `a${'\r\n a'.repeat(n)}` }), 4);
  linear(t, (n) => bytesOf({ X: `a${'\r\n b'.repeat(n)}`, From: `<sip:a@h>${'\r\n  '.repeat(n)}` }), 8);
});

t.test('%0D%0A in a header name became new headers', async (t) => {
  const message = decoded({ 'X%0D%0ARoute%3A': 'x' });
  t.equal(message.headers.route, undefined);
  t.equal(message.headers['x%0d%0aroute%3a'], 'x');
  t.notMatch(encodeMessage(message).toString(), /\r\nRoute/i);
});

t.test('%0D%0A in a CSeq or method became new headers', async (t) => {
  const result = decodeMessage(bytesOf({ CSeq: '1 INVITE%0D%0AX:y' }));
  t.match(result, { ok: false, reason: 'malformed cseq' });
  const text = bytesOf({ CSeq: '1 A%0D%0AB' }).toString().replace('INVITE', 'A%0D%0AB');
  t.match(decodeMessage(Buffer.from(text)), { ok: true, message: { method: 'A%0D%0AB' } });
});

t.test('TCP: `a` and an empty line, 12,000 times, overflowed the stack', async (t) => {
  const items = new StreamDecoder().push(Buffer.from('a\r\n\r\n'.repeat(12_000)));
  t.match(items.at(-1), { fatal: 'no usable content-length' });
});

t.test('TCP: Content-Length abc was buffered without bound', async (t) => {
  const items = new StreamDecoder().push(bytesOf({ 'Content-Length': 'abc' }));
  t.match(items, [{ ok: false, status: 400 }, { fatal: 'no usable content-length' }]);
});

t.test('TCP: a burst of more than 60,480 bytes ended the connection', async (t) => {
  const one = bytesOf({ 'Content-Length': '0' });
  const items = new StreamDecoder().push(Buffer.concat(Array(1000).fill(one)));
  t.equal(items.length, 1000);
  t.ok(items.every((item) => 'ok' in item && item.ok));
});

t.test('a port of 99999 in a Contact ended the process when it was called', async (t) => {
  t.match(decodeMessage(bytesOf({ Contact: '<sip:a@192.0.2.1:99999>' })), { ok: false, status: 400 });
  t.match(decodeMessage(bytesOf({ Via: 'SIP/2.0/UDP h:99999;branch=z9hG4bK1' })), {
    ok: false,
    reason: 'malformed via',
  });
  t.match(decodeMessage(bytesOf({ Via: 'SIP/2.0/UDP h:0;branch=z9hG4bK1' })), {
    ok: false,
    reason: 'malformed via',
  });
});

t.test('an unparsable Record-Route, Path or Route threw when it was relayed', async (t) => {
  t.match(decodeMessage(bytesOf({ 'Record-Route': '<sip:[::1>;lr' })), { ok: false, status: 400 });
  const message = decoded({ Path: '<sip:[::1>;lr' });
  t.match(encodeMessage(message).toString(), /\r\nPath: <sip:\[::1>;lr\r\n/);
});

t.test('tags, branches and vsf cookies were cut at : / and =', async (t) => {
  const message = decoded({
    From: '<sip:a@example.com>;tag=12:34',
    Via: 'SIP/2.0/UDP h;branch=z9hG4bK/a:b=',
    'Record-Route': '<sip:p;lr>;vsf=AAA==',
  });
  t.equal(message.headers.from.params['tag'], '12:34');
  t.equal(message.headers.via[0]?.params['branch'], 'z9hG4bK/a:b=');
  t.equal(message.headers['record-route']?.[0]?.params['vsf'], 'AAA==');
  t.match(encodeMessage(message).toString(), /;tag=12:34\r\n/);
});

t.test('two bare addresses in one Contact became one', async (t) => {
  const contacts = contactsOf(decoded({ Contact: 'sip:a@h,sip:b@h' }));
  t.same(
    contacts.map(({ uri }) => uri),
    ['sip:a@h', 'sip:b@h'],
  );
});

t.test('an empty Contact list was printed as *, which removes every registration', async (t) => {
  const message = decoded();
  message.headers.contact = [];
  t.notMatch(encodeMessage(message).toString(), /contact/i);
});

t.test('a body beyond latin1 was corrupted, its length counted in characters', async (t) => {
  const body = Buffer.from('größe €\0\xff', 'utf8');
  const message = { ...decoded(), body } as SipRequest;
  const bytes = encodeMessage(message);
  t.match(bytes.toString(), new RegExp(`\\r\\nContent-Length: ${body.length}\\r\\n`));
  t.ok(bytes.subarray(-body.length).equals(body));
});

t.test('bare LF passed', async (t) => {
  t.match(decodeMessage(bytesOf({ Subject: 'a\nRoute: <sip:evil>' })), { ok: false, request: undefined });
  t.match(decodeMessage(Buffer.from(bytesOf().toString().replaceAll('\r\n', '\n'))), {
    ok: false,
    request: undefined,
  });
});

t.test('Content-Length 0 was ignored in datagrams, and truncated bodies were accepted', async (t) => {
  t.equal(decoded({ 'Content-Length': '0' }, 'rest').body.length, 0);
  t.match(decodeMessage(bytesOf({ 'Content-Length': '9' }, 'rest')), { ok: false, status: 400 });
});

t.test('IPv6 hosts were cut at the first colon', async (t) => {
  const [via] = decoded({ Via: 'SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK1;received=[2001:db8::1]' })
    .headers.via;
  t.match(via, { host: '[2001:db8::9]', port: 5070, params: { received: '[2001:db8::1]' } });
  for (const host of ['[2001:db8::zz]', '[2001:db8::9', '2001:db8::9', '[]', '[1.2.3.4]']) {
    t.match(
      decodeMessage(bytesOf({ Via: `SIP/2.0/UDP ${host};branch=z9hG4bK1` })),
      { ok: false, reason: 'malformed via' },
      host,
    );
  }
});

t.test(
  'a response shared its headers with the request, so that retransmissions showed later changes',
  async (t) => {
    const request = decoded({ 'Record-Route': '<sip:p;lr>' }) as SipRequest;
    const before = structuredClone(request.headers);
    const response = makeResponse(request, 200, { toTag: 't' });
    for (const part of [
      response.headers.via[0],
      response.headers.from,
      response.headers.to,
      response.headers['record-route']?.[0],
    ]) {
      if (part) part.params['changed'] = 'yes';
    }
    response.headers.cseq.seq = 99;
    response.headers.via.pop();
    t.same(request.headers, before);
  },
);

/** The names that an object has not of its own: none may be special. */
function inherited(value: object | undefined): (string | symbol)[] {
  const prototype: unknown = Object.getPrototypeOf(value);
  return typeof prototype === 'object' && prototype !== null
    ? [...Reflect.ownKeys(prototype), ...inherited(prototype)]
    : [];
}
