// Framing of a byte stream: the same messages however the bytes are cut, bounds on memory and work (RFC 3261 section 18.3).
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { cpuMsOf } from '../testing/cpu-time.ts';
import { decodeMessage } from './decode.ts';
import { StreamDecoder, type StreamItem } from './stream.ts';

function message(callId: string, body = '', length: string | null = String(Buffer.byteLength(body))): Buffer {
  const lines = [
    'OPTIONS sip:b@example.com SIP/2.0',
    'Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1',
    'From: <sip:a@example.com>;tag=1',
    'To: <sip:b@example.com>',
    `Call-ID: ${callId}`,
    'CSeq: 1 OPTIONS',
    ...(length === null ? [] : [`Content-Length: ${length}`]),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

/** One word for each item. */
function summary(items: StreamItem[]): string[] {
  return items.map((item) => {
    if ('fatal' in item) return `fatal: ${item.fatal}`;
    if (!item.ok) return item.status === undefined ? item.reason : `${item.status}: ${item.reason}`;
    return `${item.message.headers['call-id']}:${item.message.body}`;
  });
}

function pushAll(chunks: Buffer[], decoder = new StreamDecoder()): string[] {
  return summary(chunks.flatMap((chunk) => decoder.push(chunk)));
}

t.test('a message that is larger than allowed: refused, and the end', async (t) => {
  const decoder = () => new StreamDecoder({ message: 400 });
  const fitting = message('1', 'x'.repeat(100));
  t.ok(fitting.length <= 400);
  t.same(pushAll([fitting], decoder()), [`1:${'x'.repeat(100)}`]);
  t.same(pushAll([message('2', 'x'.repeat(300))], decoder()), [
    '513: message too large',
    'fatal: message too large',
  ]);
  t.same(pushAll([Buffer.from(`OPTIONS sip:b SIP/2.0\r\nX: ${'x'.repeat(500)}`)], decoder()), [
    'fatal: headers too long',
  ]);
});

t.test('messages, however they are cut', async (t) => {
  const bytes = Buffer.concat([
    message('1', 'one'),
    message('2'),
    Buffer.from('\r\n\r\n'),
    message('3', 'größer\r\n\r\n'),
  ]);
  const expected = ['1:one', '2:', 'keep-alive', '3:größer\r\n\r\n'];
  t.same(pushAll([bytes]), expected);
  t.same(pushAll(Array.from(bytes, (byte) => Buffer.of(byte))), expected, 'byte by byte');
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      return isDeepStrictEqual(
        pushAll(at.slice(1).map((end, index) => bytes.subarray(at[index], end))),
        expected,
      );
    }),
    { numRuns: 200 },
  );
});

t.test('keep-alives: a ping is told, a single CRLF is not', async (t) => {
  t.same(pushAll([Buffer.from('\r\n\r\n')]), ['keep-alive']);
  t.same(pushAll([Buffer.from('\r\n\r'), Buffer.from('\n')]), ['keep-alive']);
  t.same(pushAll([Buffer.from('\r\n')]), []);
  t.same(
    pushAll([Buffer.from('\r\n\r\n'.repeat(10_000))]),
    ['keep-alive'],
    'a flood is told once for each read',
  );
  t.same(pushAll([Buffer.concat([Buffer.from('\r\n'), message('1')])]), ['1:']);
});

t.test('a refused message does not end the stream when its length is known', async (t) => {
  const bad = Buffer.from(message('1', 'xyz').toString().replace('CSeq: 1 OPTIONS', 'CSeq: 1 INVITE'));
  t.same(pushAll([Buffer.concat([bad, message('2')])]), ['400: cseq method differs', '2:']);
});

t.test('what ends the stream', async (t) => {
  const cases: [string, Buffer, string[]][] = [
    [
      'no length',
      message('1', '', null),
      ['400: no usable content-length', 'fatal: no usable content-length'],
    ],
    [
      'bad length',
      message('1', '', '1x'),
      ['400: malformed content-length', 'fatal: no usable content-length'],
    ],
    [
      'negative length',
      message('1', '', '-1'),
      ['400: malformed content-length', 'fatal: no usable content-length'],
    ],
    [
      'two lengths',
      message('1', '', '1\r\nl: 2'),
      ['400: content-length stands twice', 'fatal: no usable content-length'],
    ],
    ['long body', message('1', '', '262145'), ['413: body too long', 'fatal: body too long']],
    [
      'endless length',
      message('1', '', '9'.repeat(40)),
      ['400: malformed content-length', 'fatal: no usable content-length'],
    ],
    [
      'not SIP',
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      ['not SIP', 'fatal: no usable content-length'],
    ],
    ['long head', Buffer.from('x'.repeat(65_537)), ['fatal: headers too long']],
    ['long head with end', Buffer.from(`${'x'.repeat(65_537)}\r\n\r\n`), ['fatal: headers too long']],
  ];
  for (const [name, bytes, expected] of cases) {
    const decoder = new StreamDecoder();
    t.same(summary(decoder.push(bytes)), expected, name);
    t.same(decoder.push(message('2')), [], `${name}: nothing is read behind it`);
    t.equal(decoder.pending, 0, `${name}: nothing is kept`);
  }
});

t.test('limits are settable', async (t) => {
  const decoder = new StreamDecoder({ head: 300, body: 4 });
  t.same(summary(decoder.push(message('1', 'four'))), ['1:four']);
  t.same(summary(decoder.push(message('2', 'fives'))), ['413: body too long', 'fatal: body too long']);
});

t.test('the longest message there may be', async (t) => {
  const bytes = message('1', 'b'.repeat(262_144));
  t.equal(pushAll([bytes.subarray(0, 100_000), bytes.subarray(100_000)])[0]?.length, 262_146);
});

t.test('a message stays as it was when the buffer is used again', async (t) => {
  const decoder = new StreamDecoder();
  const [first] = decoder.push(Buffer.concat([message('1', 'first'), message('2').subarray(0, 50)]));
  decoder.push(message('2').subarray(50));
  decoder.push(message('3', 'third'));
  t.same(first === undefined ? [] : summary([first]), ['1:first']);
});

t.test('a stream message is the datagram message', async (t) => {
  const bytes = message('1', 'body');
  t.same(new StreamDecoder().push(bytes), [decodeMessage(bytes)]);
});

t.test('pending counts what waits for more', async (t) => {
  const decoder = new StreamDecoder();
  const bytes = message('1', 'body');
  decoder.push(bytes.subarray(0, -1));
  t.equal(decoder.pending, bytes.length - 1);
  decoder.push(bytes.subarray(-1));
  t.equal(decoder.pending, 0);
});

t.test('work is linear in the bytes when they come one by one', async (t) => {
  const cost = (count: number) => {
    const decoder = new StreamDecoder({ body: 1_000_000 });
    const bytes = message('1', 'b'.repeat(count));
    return cpuMsOf(() => {
      for (let at = 0; at < bytes.length; at++) decoder.push(bytes.subarray(at, at + 1));
    });
  };
  cost(50_000);
  const half = Math.min(cost(50_000), cost(50_000));
  const whole = Math.min(cost(100_000), cost(100_000));
  t.ok(whole < 3 * half + 10, `50 KB in ${half.toFixed(1)} ms, 100 KB in ${whole.toFixed(1)} ms`);
});

t.test('memory is bounded by the limits', async (t) => {
  const decoder = new StreamDecoder();
  for (let at = 0; at < 100; at++) decoder.push(Buffer.alloc(1024, 'x'));
  t.equal(decoder.pending, 0);
});
