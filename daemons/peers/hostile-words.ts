// The words of hostile SIP: what stands in the headers and the description of a message that is well-formed otherwise.
import type { Random } from '../../src/sip/fuzz.ts';

/** Of a request. */
export const METHODS = [
  'INVITE',
  'REGISTER',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'INFO',
  'PRACK',
  'REFER',
  'MESSAGE',
];
/** To be shown. */
export const NAMES = [
  '"\\\u001b]0;owned\\\u0007"',
  '"a\\\u0000b"',
  '"x\u202egnp.exe"',
  '"%0d%0aX: y"',
  `"${'n'.repeat(2000)}"`,
  '',
];
/** Of Session-ID (RFC 7989). */
export const SESSION_IDS = [
  '0'.repeat(32),
  'f'.repeat(32),
  '../../../../etc/passwd',
  `${'a'.repeat(32)};remote=${'b'.repeat(32)}`,
  'A'.repeat(5000),
];

/** Of somebody at `host` and `port`, as a rule. */
export function hostileContact(random: Random, { host, port }: { host: string; port: number }): string {
  return random.pick([
    `<sip:x@${host}:${port}>`,
    `<sip:x@${host}:${port};transport=tcp>`,
    '<sip:x@224.0.1.75:5060>',
    '<sip:x@255.255.255.255>',
    '<sip:x@0.0.0.0:5060>',
    '<sip:x@127.0.0.1:1>',
    '<sip:x@127.0.0.1:65535>',
    '<sip:x@no.such.name.invalid>',
    '<sip:x@[::1]:5060>',
    '<sip:x@h;maddr=239.9.9.9>',
    '<sips:x@127.0.0.1>',
    '<d7:command4:pinge>',
    `<sip:${'%00'.repeat(100)}@127.0.0.1>`,
    '<sip:x@127.0.0.1:9?Route=%3Csip:evil%3E&Replaces=a>',
  ]);
}

/** A description that is wrong in one way or another, now and then cut short; `host` is an address that exists. */
export function hostileSdp(random: Random, host: string): string {
  const address = random.pick([
    host,
    '0.0.0.0',
    '224.1.1.1',
    '255.255.255.255',
    '127.0.0.1',
    'host.invalid',
    '10.9.8.7',
  ]);
  const port = random.pick([
    '0',
    '1',
    '9',
    '4000',
    '65535',
    '65536',
    '99999',
    '-1',
    String(10_000 + random.below(22_000)),
  ]);
  const protocol = random.pick([
    'RTP/AVP',
    'RTP/AVP',
    'RTP/AVP',
    'RTP/SAVP',
    'UDP/TLS/RTP/SAVPF',
    'udptl',
    'x',
  ]);
  const formats = random.pick(['0', '0 8', '8 101', '18', '96', '0 '.repeat(500), '', '0 0 0 256 -1']);
  const lines = [
    'v=0',
    `o=- ${'9'.repeat(random.below(40))} 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
  ];
  for (let count = random.pick([1, 1, 1, 2, 60]); count > 0; count--)
    lines.push(`m=audio ${port} ${protocol} ${formats}`);
  for (let count = random.pick([0, 1, 3, 300]); count > 0; count--)
    lines.push(
      random.pick([
        'a=rtcp:0',
        'a=rtcp:65536',
        'a=sendonly',
        'a=inactive',
        'a=rtpmap:96 PCMU/0',
        'a=fmtp:0 \u001b[2J',
        'a=ptime:0',
      ]),
    );
  const text = `${lines.join('\r\n')}\r\n`;
  return random.chance(20) ? text.slice(0, random.below(text.length)) : text;
}
