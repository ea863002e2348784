// URIs: read, print, compare (RFC 3261 section 19.1).
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { formatUri, isAbsoluteUri, isAcceptableUri, parseHostPort, parseUri } from './uri.ts';
import { uriEquals } from './uri-equals.ts';

t.test('the parts of a URI', async (t) => {
  t.match(parseUri('sip:alice@atlanta.example.com'), {
    scheme: 'sip',
    user: 'alice',
    host: 'atlanta.example.com',
    port: undefined,
  });
  t.match(parseUri('SIPS:alice:secret@h:5061;transport=TCP;lr?subject=x&priority=urgent'), {
    scheme: 'sips',
    user: 'alice',
    password: 'secret',
    host: 'h',
    port: 5061,
    params: { transport: 'TCP', lr: null },
    headers: 'subject=x&priority=urgent',
  });
  t.match(parseUri('sip:h'), { user: undefined, host: 'h' });
  t.match(parseUri('sip:[2001:db8::1]:5070;maddr=[::1]'), {
    host: '[2001:db8::1]',
    port: 5070,
    params: { maddr: '[::1]' },
  });
  t.match(parseUri('sip:+1-212-555-1212:1234@gateway.com;user=phone'), {
    user: '+1-212-555-1212',
    password: '1234',
  });
  t.match(parseUri('sip:*21#@h'), { user: '*21#' }, 'a feature code as phones send it');
  t.match(parseUri('sip:%c3%bc%00@h;n%61me=%20'), { user: 'ü\0', params: { name: ' ' } });
  t.match(parseUri('tel:+1-201-555-0123;phone-context=+1'), {
    scheme: 'tel',
    user: '+1-201-555-0123',
    host: '',
    params: { 'phone-context': '+1' },
  });
  t.same(inherited(parseUri('sip:h;__proto__=1')?.params), []);
});

t.test('no URI', async (t) => {
  const bad = [
    '',
    'sip',
    'sip:',
    'sip:@h',
    'sip:a@',
    'sip:a@b@c',
    'sip:a b@h',
    'sip: h',
    'sip:h ',
    'sip:a@h:',
    'sip:a@h:0',
    'sip:a@h:65536',
    'sip:a@h:5060x',
    'sip:a@h:-1',
    'sip:a@h:+5060',
    'sip:a@h:005060',
    'sip:a@h;',
    'sip:a@h;;lr',
    'sip:a@h;=x',
    'sip:a@h;x=',
    'sip:a@h;lr;LR',
    'sip:a@h?',
    'sip:a@h?x=<y>',
    'sip:a@[::1',
    'sip:a@[::1]5060',
    'sip:a@[::g]',
    'sip:a@2001:db8::1',
    'sip:%@h',
    'sip:%4@h',
    'sip:%4g@h',
    'sip:ü@h',
    'sip:a@hö',
    'sip:<a>@h',
    '<sip:a@h>',
    'sip:a"@h',
    'tel:',
    'tel:abcxyz',
    'http://h/',
    `sip:a@${'h'.repeat(256)}`,
    `sip:a@h${Array.from({ length: 65 }, (_, index) => `;p${index}`).join('')}`,
  ];
  for (const text of bad) t.equal(parseUri(text), undefined, JSON.stringify(text.slice(0, 60)));
});

t.test('other schemes are absolute URIs, and rubbish is not', async (t) => {
  for (const text of ['urn:service:sos', 'soap.beep://192.0.2.103:3002', 'http://h/?a=b', 'mailto:a@h'])
    t.ok(isAbsoluteUri(text));
  for (const text of ['', ':x', 'x:', 'a b:c', 'x:a b', 'x:<y>', `${'x'.repeat(70)}:y`])
    t.notOk(isAbsoluteUri(text), text);
});

t.test('printing escapes what must be', async (t) => {
  const params = Object.assign(Object.create(null), { 'a b': 'c;d', lr: null });
  const uri = { scheme: 'sip' as const, user: 'a b@ü\0', host: 'h', port: 5062, params, headers: 'x=y' };
  t.equal(formatUri(uri), 'sip:a%20b%40%C3%BC%00@h:5062;a%20b=c%3Bd;lr?x=y');
  for (const text of [
    'sip:h',
    'tel:+123;phone-context=h',
    'sips:a:b@[::1]:5061;transport=tls;lr',
    'sip:a;b=c@h?x=y',
  ]) {
    const read = parseUri(text);
    t.equal(read && formatUri(read), text);
  }
});

t.test('what is printed is read as it was', async (t) => {
  const unit = fc.constantFrom(...'aé😀\0 @;:=?%&/<>"\r\n大-~');
  const name = fc.string({ unit, minLength: 1, maxLength: 6 });
  const value = fc.option(fc.string({ unit, minLength: 1, maxLength: 6 }), { nil: null });
  const uri = fc.record({
    scheme: fc.constantFrom('sip' as const, 'sips' as const),
    user: fc.string({ unit, minLength: 1, maxLength: 12 }),
    host: fc.constantFrom('h', 'a-b.example.com', '192.0.2.1', '[2001:db8::1]'),
    port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
    params: fc.dictionary(name, value, { noNullPrototype: false, maxKeys: 4 }),
    headers: fc.constantFrom(undefined, 'a=b'),
  });
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(uri, (original) => {
        const read = parseUri(formatUri(original));
        const { params, ...rest } = original;
        const { params: readParams, ...readRest } = read ?? original;
        const same = isDeepStrictEqual({ ...readParams }, { ...params }) && isDeepStrictEqual(readRest, rest);
        return read !== undefined && same && uriEquals(read, original);
      }),
      { numRuns: 300 },
    ),
  );
});

t.test('equivalence (RFC 3261 section 19.1.4, its own examples)', async (t) => {
  const same = (a: string, b: string) => {
    const left = parseUri(a);
    const right = parseUri(b);
    if (!left || !right) throw new Error(`${a} or ${b} is no URI`);
    t.equal(uriEquals(left, right), uriEquals(right, left), 'either way round');
    return uriEquals(left, right);
  };
  t.ok(same('sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'));
  t.ok(same('sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'));
  t.ok(same('sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5'));
  t.ok(
    same(
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ),
  );
  t.ok(
    same(
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ),
  );
  t.notOk(same('SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'), 'user');
  t.notOk(same('sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'), 'port');
  t.notOk(same('sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'), 'transport');
  t.notOk(
    same('sip:bob@biloxi.com;transport=udp', 'sip:bob@biloxi.com:6000;transport=tcp'),
    'port and transport',
  );
  t.notOk(same('sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'), 'header');
  t.notOk(same('sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'), 'value');
  t.notOk(same('sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'), 'host');
  t.notOk(same('sip:bob@h', 'sips:bob@h'), 'scheme');
  t.notOk(same('sip:bob@h', 'sip:bob@h;maddr=1.2.3.4'), 'maddr');
  t.notOk(same('sip:bob@h', 'sip:bob@h;user=phone'), 'user parameter');
  t.ok(same('tel:+1-201-555-0123', 'tel:+12015550123'), 'visual separators');
  t.notOk(same('tel:+12015550123', 'tel:12015550123'), 'global and local');
});

t.test('what passes in a message is what can be taken apart', async (t) => {
  const pieces = fc.constantFrom(
    ...'aZ09@@::;;==?%[]_-.#/ <>ü'.split(''),
    ':5060',
    ':0',
    ':65536',
    '%41',
    '[::1]',
    ';lr',
    ';a=b',
    'sip:',
  );
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), (rest) => {
        const text = `sip:${rest.join('')}`;
        return isAcceptableUri(text) === (parseUri(text) !== undefined);
      }),
      { numRuns: 5000 },
    ),
  );
  for (const text of [
    'sip:a@h',
    'sip:h',
    'sip:h:5060',
    'sip:a@h:5060;lr',
    'sip:h;transport=tcp',
    'SIP:a@h',
    'sip:a@[::1]:1;a;b',
  ])
    t.ok(isAcceptableUri(text), text);
  for (const text of [
    'sip:',
    'sip:@h',
    'sip:a@',
    'sip:h:',
    'sip:h:0',
    'sip:h;',
    'sip:h;=',
    'sip:h;a=',
    'sip:h;a=b=',
    `sip:${'h'.repeat(256)}`,
  ]) {
    t.equal(isAcceptableUri(text), parseUri(text) !== undefined, text);
  }
});

t.test('host and port', async (t) => {
  t.same(parseHostPort('[::1]:5060'), { host: '[::1]', port: 5060 });
  t.same(parseHostPort('my_host.example'), { host: 'my_host.example', port: undefined });
  for (const text of ['', ':5060', 'h:', '[::1', '[::1]x', 'h:1:2', 'h x'])
    t.equal(parseHostPort(text), undefined, text);
});

/** The names that an object has not of its own: none may be special. */
function inherited(value: object | undefined): (string | symbol)[] {
  const prototype: unknown = Object.getPrototypeOf(value);
  return typeof prototype === 'object' && prototype !== null
    ? [...Reflect.ownKeys(prototype), ...inherited(prototype)]
    : [];
}
