// Properties: the decoder never throws, and what is printed is read as what it was.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { decodeMessage } from './decode.ts';
import { encodeMessage, stringifyHead } from './encode.ts';
import type { NameAddr, Params, SipMessage, Via } from './message.ts';
import { printHead } from './print-head.ts';
import { makeResponse } from './response.ts';
import { emptyParams, quote } from './scan.ts';
import { StreamDecoder } from './stream.ts';
import { bytesOf } from './text.ts';

const token = fc.string({ unit: fc.constantFrom(..."abzAZ09-.!%*_+`'~"), minLength: 1, maxLength: 8 });
const quoted = fc.string({ unit: fc.constantFrom(...'aü😀 ,;<>"\\@:=\t'), maxLength: 8 }).map(quote);
const params = fc
  .dictionary(token, fc.option(fc.oneof(token, quoted, fc.constantFrom('[::1]', 'a:b/c==')), { nil: null }), {
    maxKeys: 4,
  })
  .map((entries) => {
    const lower = Object.entries(entries).map(([name, value]) => [name.toLowerCase(), value]);
    return Object.assign(emptyParams(), Object.fromEntries(lower)) as Params;
  });
const uri = fc.constantFrom(
  'sip:a@h',
  'sips:a:b@[::1]:5061;lr?x=y',
  'tel:+1;phone-context=h',
  'urn:service:sos',
  'sip:%00,;?@h;x=%41',
);
const name = fc.option(fc.oneof(quoted, fc.constantFrom('Bob', 'A B', 'Jürgen (x)')), { nil: undefined });
const nameAddr: fc.Arbitrary<NameAddr> = fc.record({ name, uri, params }, { noNullPrototype: true });
const via: fc.Arbitrary<Via> = fc.record(
  {
    version: fc.constant('2.0'),
    protocol: fc.constantFrom('UDP', 'TCP', 'TLS', 'X-1'),
    host: fc.constantFrom('h', '192.0.2.1', '[2001:db8::1]', 'a_b.example'),
    port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
    params,
  },
  { noNullPrototype: true },
);
const auth = fc
  .record({ realm: quoted, nc: token })
  .map((entries) => Object.assign(Object.create(null), { scheme: 'Digest' }, entries));
const text = fc.string({ unit: fc.constantFrom(...'aü😀,;<>"\\@:=%'), minLength: 1, maxLength: 8 });
const body = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const list = <T>(element: fc.Arbitrary<T>) => fc.array(element, { minLength: 1, maxLength: 3 });

const message: fc.Arbitrary<SipMessage> = fc
  .record({
    method: token,
    uri: fc.constantFrom('sip:a@h', 'sips:[::1]:5061;lr', 'tel:+1', 'urn:service:sos'),
    via: list(via),
    from: nameAddr,
    to: nameAddr,
    callId: text,
    seq: fc.nat(),
    optional: fc.record(
      {
        contact: fc.oneof(fc.constant('*'), list(nameAddr)),
        route: list(nameAddr),
        'record-route': list(nameAddr),
        'max-forwards': fc.nat(255),
        expires: fc.nat(),
        authorization: list(auth),
        subject: text,
        ['__proto__']: text,
      },
      { requiredKeys: [], noNullPrototype: false },
    ),
    body,
    status: fc.option(fc.integer({ min: 100, max: 699 }), { nil: undefined }),
    reason: fc.oneof(fc.constant(''), text),
  })
  .map(({ method, uri, via, from, to, callId, seq, optional, body, status, reason }) => {
    const headers = Object.assign(
      Object.create(null),
      { via, from, to, 'call-id': callId, cseq: { seq, method } },
      optional,
    );
    const base = { version: '2.0', headers, body };
    return status === undefined ? { ...base, method, uri } : { ...base, status, reason };
  });

t.test('a message is read as it was printed, from a datagram and from a stream', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(message, (original) => {
        const bytes = encodeMessage(original);
        const result = decodeMessage(bytes);
        if (!result.ok) throw new Error(result.reason);
        const { headers, ...rest } = original;
        const { headers: readHeaders, ...readRest } = result.message;
        const { 'content-length': length, ...others } = readHeaders;
        if (length !== original.body.length || !isDeepStrictEqual(readRest, rest)) return false;
        if (!isDeepStrictEqual({ ...others }, { ...headers })) return false;
        return isDeepStrictEqual(new StreamDecoder().push(bytes), [result]);
      }),
      { numRuns: 500 },
    ),
  );
});

t.test('what is printed here is what `sip` prints, and what must not be printed is left to it', async (t) => {
  const dangerous = fc.option(
    fc.tuple(
      fc.constantFrom('subject', 'reason', 'name', 'uri', 'tag', 'host', 'method', 'line\nbreak'),
      fc.constantFrom('x\r\nInjected: 1', 'a\nb', 'a\rb', 'a\0b', '"\\\0"', 'sip:a> <b', '', 'ü', '\udc80'),
    ),
    { nil: undefined },
  );
  const heads = { both: 0, one: 0 };
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(message, dangerous, (original, danger) => {
        const changed = danger === undefined ? original : spoilt(original, ...danger);
        const printed = printHead(changed);
        heads[printed === undefined ? 'one' : 'both'] += 1;
        return printed === undefined || printed.equals(bytesOf(stringifyHead(changed)));
      }),
      { numRuns: 1000 },
    ),
  );
  t.ok(heads.both > 30 && heads.one > 30, JSON.stringify(heads));
});

/** With a text where it may do harm. */
function spoilt(message: SipMessage, where: string, text: string): SipMessage {
  const headers = Object.assign(Object.create(null), message.headers);
  const { from, via } = message.headers;
  if (where === 'reason') return { ...message, ...('reason' in message ? { reason: text } : { uri: text }) };
  if (where === 'method') return 'method' in message ? { ...message, method: text } : message;
  if (where === 'name' || where === 'uri') headers.from = { ...from, [where]: text };
  else if (where === 'tag')
    headers.from = { ...from, params: Object.assign(Object.create(null), { tag: text }) };
  else if (where === 'host') headers.via = via.map((one) => ({ ...one, host: text }));
  else headers[where] = text;
  return { ...message, headers };
}

t.test('any bytes: no exception; what can be answered can be answered', async (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
    fc.tuple(message, fc.nat(400), fc.uint8Array({ maxLength: 12 })).map(([original, at, inserted]) => {
      const whole = encodeMessage(original);
      return Buffer.concat([whole.subarray(0, at), Buffer.from(inserted), whole.subarray(at)]);
    }),
  );
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(bytes, (datagram) => {
        new StreamDecoder().push(datagram);
        const result = decodeMessage(datagram);
        if (result.ok) return decodeMessage(encodeMessage(result.message)).ok;
        if (result.request === undefined) return result.status === undefined;
        return decodeMessage(encodeMessage(makeResponse(result.request, result.status ?? 400))).ok;
      }),
      { numRuns: 800 },
    ),
  );
});
