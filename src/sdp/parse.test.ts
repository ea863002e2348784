// Parsing: what is read, what is kept as it stood, what is refused and why.
import t from 'tap';
import { parseSdp } from './parse.ts';
import { printSdp } from './print.ts';
import type { SessionDescription } from './session-description.ts';

const WHOLE = [
  'v=0',
  'o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1',
  's=Call to John Smith',
  'i=SDP Offer #1',
  'u=http://www.jdoe.example.com/home.html',
  'e=Jane Doe <jane@jdoe.example.com>',
  'p=+1 617 555-6011',
  'c=IN IP4 198.51.100.1',
  'b=CT:128',
  'b=X-YZ:1',
  't=0 0',
  'r=604800 3600 0 90000',
  'k=clear:x',
  'a=tool:baresip 1.0:beta',
  'm=audio 49170/2 RTP/AVP 0 101',
  'i=the voice',
  'c=IN IP4 233.252.0.1/127/3',
  'b=AS:64',
  'b=TIAS:64000',
  'y=unknown',
  'a=rtpmap:101 telephone-event/8000',
  'a=sendrecv',
  'a=empty:',
  'm=image 5000 udptl t38',
  'a=T38FaxVersion:0',
  'a=T38FaxVersion:1',
];

function text(lines: string[], end = '\r\n'): string {
  return lines.map((line) => line + end).join('');
}

function parsed(input: string | Buffer): SessionDescription {
  const result = parseSdp(input);
  if (!result.ok) throw new Error(result.reason);
  return result.sdp;
}

function reason(input: string | Buffer): string {
  const result = parseSdp(input);
  return result.ok ? 'accepted' : result.reason;
}

/** The description with one line in place of another. */
function swapped(from: string, ...to: string[]): string {
  return text(WHOLE.flatMap((line) => (line === from ? to : [line])));
}

t.test('every line finds its place, unknown ones included', async (t) => {
  t.same(parsed(text(WHOLE)), {
    origin: {
      username: 'jdoe',
      sessionId: '3724394400',
      sessionVersion: '3724394405',
      addressType: 'IP4',
      address: '198.51.100.1',
    },
    sessionName: 'Call to John Smith',
    information: [
      { type: 'i', value: 'SDP Offer #1' },
      { type: 'u', value: 'http://www.jdoe.example.com/home.html' },
      { type: 'e', value: 'Jane Doe <jane@jdoe.example.com>' },
      { type: 'p', value: '+1 617 555-6011' },
    ],
    connection: { addressType: 'IP4', address: '198.51.100.1' },
    bandwidths: [
      { type: 'CT', value: '128' },
      { type: 'X-YZ', value: '1' },
    ],
    timing: [
      { type: 't', value: '0 0' },
      { type: 'r', value: '604800 3600 0 90000' },
    ],
    other: [{ type: 'k', value: 'clear:x' }],
    attributes: [{ name: 'tool', value: 'baresip 1.0:beta' }],
    media: [
      {
        media: 'audio',
        port: 49170,
        portCount: 2,
        protocol: 'RTP/AVP',
        formats: ['0', '101'],
        title: 'the voice',
        connection: { addressType: 'IP4', address: '233.252.0.1', suffix: '127/3' },
        bandwidths: [
          { type: 'AS', value: '64' },
          { type: 'TIAS', value: '64000' },
        ],
        other: [{ type: 'y', value: 'unknown' }],
        attributes: [
          { name: 'rtpmap', value: '101 telephone-event/8000' },
          { name: 'sendrecv' },
          { name: 'empty', value: '' },
        ],
      },
      {
        media: 'image',
        port: 5000,
        protocol: 'udptl',
        formats: ['t38'],
        bandwidths: [],
        other: [],
        attributes: [
          { name: 'T38FaxVersion', value: '0' },
          { name: 'T38FaxVersion', value: '1' },
        ],
      },
    ],
  });
});

t.test('a description in the order of the RFC is printed byte for byte', async (t) => {
  t.equal(printSdp(parsed(text(WHOLE))), text(WHOLE));
});

t.test('bare LF, a missing last line end and empty last lines are forgiven', async (t) => {
  const expected = parsed(text(WHOLE));
  t.same(parsed(text(WHOLE, '\n')), expected);
  t.same(parsed(text(WHOLE).slice(0, -2)), expected);
  t.same(parsed(`${text(WHOLE)}\r\n\r\n`), expected);
});

t.test('phones that leave out s= or t=, or misorder lines, are understood', async (t) => {
  const sdp = parsed(
    'v=0\no=- 1 1 IN IP4 10.0.0.1\nt=0 0\na=sendonly\nc=IN IP4 10.0.0.1\nm=audio 1 RTP/AVP 0\n',
  );
  t.equal(sdp.sessionName, '-');
  t.match(sdp.connection, { address: '10.0.0.1' });
  t.same(parsed('v=0\no=John van Doe 1 1 IN IP6 pc_7.example\n').origin, {
    username: 'John van Doe',
    sessionId: '1',
    sessionVersion: '1',
    addressType: 'IP6',
    address: 'pc_7.example',
  });
  t.same(parsed('v=0\no=- 1 1 IN IP4 h\na=sendonly \n').attributes, [{ name: 'sendonly' }]);
});

t.test('bytes that are not UTF-8 are read as Latin-1, not lost', async (t) => {
  const head = Buffer.from('v=0\no=- 1 1 IN IP4 h\ns=B', 'latin1');
  t.equal(parsed(Buffer.concat([head, Buffer.from([0xfc]), Buffer.from('ro\n')])).sessionName, 'Büro');
  t.equal(parsed(Buffer.concat([head, Buffer.from('üro\n')])).sessionName, 'Büro');
});

t.test('names of object members are attributes like any other', async (t) => {
  const sdp = parsed(
    'v=0\no=- 1 1 IN IP4 h\na=__proto__:x\na=constructor\nm=__proto__ 1 RTP/AVP __proto__\nb=__proto__:1\n',
  );
  t.same(sdp.attributes, [{ name: '__proto__', value: 'x' }, { name: 'constructor' }]);
  t.equal(({} as Record<string, unknown>).x, undefined);
  t.equal(sdp.media[0]?.media, '__proto__');
});

t.test('what is broken is refused, and the reason names the line', async (t) => {
  t.equal(reason(''), 'does not begin with v=0');
  t.equal(reason(text(['v=1', ...WHOLE.slice(1)])), 'does not begin with v=0');
  t.equal(reason('v=0\r\ns=-\r\n'), 'no o= line');
  t.equal(reason(swapped('t=0 0', '')), 'line 11: not of the form x=value');
  t.equal(reason(swapped('t=0 0', '=0 0')), 'line 11: not of the form x=value');
  t.equal(reason(swapped('t=0 0', 't=0\r0')), 'line 11: a CR or NUL within the line');
  t.equal(reason(swapped('t=0 0', 't=0\0')), 'line 11: a CR or NUL within the line');
  t.equal(reason(swapped('b=CT:128', 'b=128')), 'line 9: not a bandwidth');
  t.equal(reason(swapped('a=sendrecv', 'a=')), 'line 22: an attribute without a name');
  t.equal(reason(swapped('a=sendrecv', 'a=:x')), 'line 22: an attribute without a name');
  t.equal(reason(swapped('a=sendrecv', 's=x')), 'line 22: s= within a media description');
  for (const twice of ['v=0', 'o=- 1 1 IN IP4 h', 's=-', 'c=IN IP4 10.0.0.1']) {
    t.equal(reason(swapped('t=0 0', twice)), `line 11: a second ${twice.slice(0, 2)} line`);
  }
});

t.test('addresses are numeric or host names, nothing else', async (t) => {
  const connection = (value: string) =>
    reason(`v=0\no=- 1 1 IN IP4 h\nc=${value}\n`) === 'accepted' ? 'accepted' : 'refused';
  for (const good of [
    'IN IP4 192.0.2.1',
    'IN IP4 0.0.0.0',
    'IN IP6 2001:db8::1',
    'IN IP6 ::ffff:192.0.2.1',
    'IN IP4 host-1.example.com',
    'IN IP6 ff15::101/3',
    'IN IP4 192.0.2.1 ',
  ]) {
    t.equal(connection(good), 'accepted', good);
  }
  for (const bad of [
    'IN IP4 192.0.2.256',
    'IN IP4 1.2.3',
    'IN IP4 ::1',
    'IN IP6 192.0.2.1',
    'IN IP6 fe80::1%eth0',
    'IN IP4 $(reboot)',
    'IN IP4 a b',
    'IN IP4 ',
    'IN IP4',
    'IN IP5 192.0.2.1',
    'TN RFC2543 +1-201-406-4090',
    'IN IP4 192.0.2.1/',
    'IN IP4 192.0.2.1/x',
    'IN IP4 192.0.2.1/127/1/1',
    'IN IP4 -a.example',
    `IN IP4 ${'a'.repeat(256)}`,
  ]) {
    t.equal(connection(bad), 'refused', bad);
  }
});

t.test('origins and media lines are held to their form', async (t) => {
  for (const bad of [
    '- 1 IN IP4 h',
    '- x 1 IN IP4 h',
    '- 1 -1 IN IP4 h',
    '- 1 1 XX IP4 h',
    '- 1 1 IN IP4 h;h',
  ]) {
    t.equal(reason(`v=0\no=${bad}\n`), 'line 2: not an origin', bad);
  }
  const refused = 'line 3: not a media description';
  const media = (value: string) => reason(`v=0\no=- 1 1 IN IP4 h\nm=${value}\n`);
  for (const good of ['audio 0 RTP/AVP', 'audio 65535 UDP/TLS/RTP/SAVPF 0 127 ', 'text 1/1 TCP/MRCPv2 1']) {
    t.equal(media(good), 'accepted', good);
  }
  for (const bad of [
    'audio',
    'audio 1',
    'audio 65536 RTP/AVP 0',
    'audio -1 RTP/AVP 0',
    'audio 1.5 RTP/AVP 0',
    'audio 1e3 RTP/AVP 0',
    'audio 1/0 RTP/AVP 0',
    'audio 1/x RTP/AVP 0',
    'audio 1 RTP/AVP  0',
    'au:dio 1 RTP/AVP 0',
    `audio 1 RTP/AVP${' 0'.repeat(257)}`,
  ]) {
    t.equal(media(bad), refused, bad);
  }
});

t.test('size, lines and media descriptions are limited', async (t) => {
  const head = 'v=0\no=- 1 1 IN IP4 h\n';
  t.equal(reason(`${head}a=${'x'.repeat(65536)}`), 'over 65536 bytes');
  t.equal(reason(Buffer.alloc(65537, 'a')), 'over 65536 bytes');
  t.equal(reason(head + 'a=x\n'.repeat(4095)), 'over 4096 lines');
  t.equal(reason(head + 'a=x\n'.repeat(4094)), 'accepted');
  t.equal(reason(head + 'm=audio 1 RTP/AVP 0\n'.repeat(65)), 'line 67: over 64 media descriptions');
});

t.test('a value that would break out of its line is not printed', async (t) => {
  const sdp = parsed(text(WHOLE));
  sdp.sessionName = 'x\r\na=injected';
  t.throws(() => printSdp(sdp), { code: 'SDP_INVALID' });
});
