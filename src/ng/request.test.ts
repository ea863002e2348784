// Messages and requests: literal datagrams as real controllers send them, and what is refused.
import t from 'tap';
import { decodeNg, encodeNg } from './message.ts';
import { readNgReply } from './reply.ts';
import { type NgRequest, readNgRequest, requestDict } from './request.ts';

function read(datagram: string | Buffer): ReturnType<typeof readNgRequest> {
  const decoded = decodeNg(Buffer.from(datagram as string, 'latin1'));
  return decoded.ok ? readNgRequest(decoded.dict) : decoded;
}

t.test('a datagram is a cookie, a space and a dictionary', async (t) => {
  t.same(decodeNg(Buffer.from('5323_1 d7:command4:pinge')), {
    ok: true,
    cookie: '5323_1',
    dict: { command: Buffer.from('ping') },
  });
  t.equal(encodeNg('5323_1', { result: 'pong' }).toString(), '5323_1 d6:result4:ponge');
});

t.test('the reason for a refusal comes with the cookie when there is one', async (t) => {
  const refused = (datagram: string) => decodeNg(Buffer.from(datagram, 'latin1'));
  t.same(refused(''), { ok: false, reason: 'no cookie' });
  t.same(refused(' d7:command4:pinge'), { ok: false, reason: 'no cookie' });
  t.same(refused('d7:command4:pinge'), { ok: false, reason: 'no cookie' });
  t.same(refused(`${'c'.repeat(257)} de`), { ok: false, reason: 'no cookie' });
  t.match(refused(`${'c'.repeat(256)} de`), { ok: true });
  t.same(refused('a\nb de'), { ok: false, reason: 'a cookie with unprintable bytes' });
  t.same(refused('c {"command":"ping"}'), {
    ok: false,
    reason: 'byte 0: neither string, integer, list nor dictionary',
    cookie: 'c',
  });
  t.same(refused('c i1e'), { ok: false, reason: 'not a dictionary', cookie: 'c' });
  t.same(refused('c 4:ping'), { ok: false, reason: 'not a dictionary', cookie: 'c' });
  t.same(refused('c le'), { ok: false, reason: 'not a dictionary', cookie: 'c' });
});

t.test("a Kamailio's offer is read; what grec does not know is passed over", async (t) => {
  const datagram =
    '21_7 d8:supportsl10:load limite3:sdp7:v=0\r\n\r\n5:flagsl13:trust address10:asymmetrice' +
    '7:replacel6:origine3:ICE6:remove13:received-froml3:IP49:10.0.0.31e11:record call3:yes' +
    '9:directionl4:priv3:pube7:call-id5:abc@h8:from-tag2:ft10:via-branch4:z9hG7:command5:offere';
  t.same(read(datagram), {
    ok: true,
    request: {
      command: 'offer',
      'call-id': 'abc@h',
      'from-tag': 'ft',
      'via-branch': 'z9hG',
      sdp: 'v=0\r\n\r\n',
      flags: ['trust address', 'asymmetric'],
      replace: ['origin'],
      direction: ['priv', 'pub'],
      ICE: 'remove',
      'received-from': ['IP4', '10.0.0.31'],
      'record call': 'yes',
      supports: ['load limit'],
    },
  });
});

t.test('spellings with spaces and hyphens mean the same', async (t) => {
  t.match(read('c d7:command6:delete7:call-id1:x12:delete delayi0ee'), { request: { 'delete-delay': 0 } });
  t.match(read('c d7:command6:delete7:call-id1:x12:delete-delay2:30e'), { request: { 'delete-delay': 30 } });
  t.match(read('c d7:command5:offer7:call-id1:x8:from-tag1:f3:sdp1:s13:media-address9:192.0.2.1e'), {
    request: { 'media address': '192.0.2.1' },
  });
});

t.test('strings that are not UTF-8 are read as Latin-1', async (t) => {
  t.match(read('c d7:command5:query7:call-id2:\xfcxe'), { request: { 'call-id': 'üx' } });
  t.match(read('c d7:command5:query7:call-id2:\xc3\xbce'), { request: { 'call-id': 'ü' } });
});

t.test('what is missing or of the wrong kind is named', async (t) => {
  const reason = (datagram: string) => {
    const result = read(datagram);
    return result.ok ? 'accepted' : result.reason;
  };
  t.equal(reason('c de'), 'no command');
  t.equal(reason('c d7:commandi1ee'), 'no command');
  t.equal(reason('c d7:command4:folde'), 'unknown command "fold"');
  t.equal(reason('c d7:command9:__proto__e'), 'unknown command "__proto__"');
  t.equal(reason('c d7:command11:constructore'), 'unknown command "constructor"');
  t.equal(reason('c d7:command5:offere'), 'offer: no call-id');
  t.equal(reason('c d7:command5:offer7:call-id1:xe'), 'offer: no from-tag');
  t.equal(reason('c d7:command5:offer7:call-id1:x8:from-tag1:fe'), 'offer: no sdp');
  t.equal(reason('c d7:command6:answer7:call-id1:x8:from-tag1:f3:sdp1:se'), 'answer: no to-tag');
  t.equal(reason('c d7:command5:query7:call-idi1ee'), 'query: call-id is not a string');
  t.equal(reason('c d7:command6:delete7:call-id1:x5:flagsli1eee'), 'delete: flags is not a list of strings');
  t.equal(
    reason('c d7:command6:delete7:call-id1:x12:delete delayi-1ee'),
    'delete: delete-delay is not a whole number from 0',
  );
});

t.test('what the client writes, the server reads', async (t) => {
  const requests: NgRequest[] = [
    { command: 'ping' },
    { command: 'offer', 'call-id': 'c', 'from-tag': 'f', sdp: 'v=0 ü', flags: [], 'record call': 'on' },
    { command: 'answer', 'call-id': 'c', 'from-tag': 'f', 'to-tag': 't', sdp: 's', replace: ['origin'] },
    { command: 'delete', 'call-id': 'c', flags: ['fatal'], 'delete-delay': 5 },
    { command: 'query', 'call-id': 'c', 'from-tag': 'f' },
    { command: 'start recording', 'call-id': 'c', metadata: '{"a":"ü"}' },
    { command: 'stop recording', 'call-id': 'c' },
    { command: 'pause recording', 'call-id': 'c' },
    { command: 'block media', 'call-id': 'c', 'from-tag': 'f' },
    { command: 'unblock media', 'call-id': 'c' },
    { command: 'block DTMF', 'call-id': 'c', 'from-tag': 'f' },
    { command: 'unblock DTMF', 'call-id': 'c' },
    { command: 'list', limit: 5 },
    { command: 'statistics' },
  ];
  for (const request of requests) t.same(read(encodeNg('c', requestDict(request))), { ok: true, request });
  t.match(
    encodeNg('c', requestDict({ command: 'delete', 'call-id': 'c', 'delete-delay': 5 })).toString(),
    '12:delete delayi5e',
    'as rtpengine spells it',
  );
});

t.test('codec lists come in a dictionary of their own, or among the flags', async (t) => {
  const head = 'c d7:command5:offer7:call-id1:x8:from-tag1:f3:sdp1:s';
  t.match(read(`${head}5:codecd5:stripl3:all4:PCMAe5:offer4:PCMU9:__proto__l1:xeee`), {
    request: { codec: { strip: ['all', 'PCMA'], offer: ['PCMU'] } },
  });
  t.match(read(`${head}5:flagsl13:trust-address16:codec-strip-G72910:codec-foo-ee`), {
    request: { codec: { strip: ['G729'] }, flags: ['trust-address', 'codec-strip-G729', 'codec-foo-'] },
  });
  t.match(read(`${head}5:codec5:stripe`), { reason: 'offer: codec is not a dictionary of lists of strings' });
  t.match(read(`${head}5:codecd5:stripi1eee`), {
    reason: 'offer: codec is not a dictionary of lists of strings',
  });
});

t.test('flags that come as one text stand for the same keys and lists', async (t) => {
  const offer = (flags: string, more = '') =>
    read(`c d7:command5:offer7:call-id1:x8:from-tag1:f3:sdp1:s10:rtpp-flags${flags.length}:${flags}${more}e`);
  t.match(
    offer(
      'trust-address replace-origin replace-session-connection ICE=remove  rtcp-mux-demux RTP/AVP codec-strip-all',
    ),
    {
      request: {
        flags: ['trust-address', 'codec-strip-all'],
        replace: ['origin', 'session-connection'],
        ICE: 'remove',
        'rtcp-mux': ['demux'],
        'transport protocol': 'RTP/AVP',
        codec: { strip: ['all'] },
      },
    },
  );
  t.match(offer('direction=pub direction=priv record-call=yes metadata=from:1|to:2'), {
    request: { direction: ['pub', 'priv'], 'record call': 'yes', metadata: 'from:1|to:2' },
  });
  t.match(offer('internal external call-id=y', '5:flagsl9:symmetrice'), {
    request: { direction: ['internal', 'external'], 'call-id': 'x', flags: ['symmetric'] },
  });
  t.match(offer('asymmetric', '5:flagsl9:symmetrice'), { request: { flags: ['symmetric', 'asymmetric'] } });
  t.match(offer('__proto__=x constructor toString=1 ='), { ok: true, request: { flags: ['constructor'] } });
  const play = 'file=/a.wav repeat-times=3 all';
  t.same(read(`c d7:command10:play media7:call-id1:x10:rtpp-flags${play.length}:${play}e`), {
    ok: true,
    request: { command: 'play media', 'call-id': 'x', file: '/a.wav', 'repeat-times': 3, flags: ['all'] },
  });
  t.match(read('c d7:command10:play media7:call-id1:x4:blobi1ee'), { reason: /blob is not a string/ });
  t.match(read('c d7:command6:delete7:call-id1:x10:rtpp-flags14:delete-delay=5e'), {
    request: { 'delete-delay': 5 },
  });
});

t.test('replies', async (t) => {
  const reply = (text: string) => {
    const decoded = decodeNg(Buffer.from(`c ${text}`));
    return decoded.ok ? readNgReply(decoded.dict) : decoded;
  };
  t.same(reply('d6:result4:ponge'), { result: 'pong' });
  t.same(reply('d6:result2:ok3:sdp3:v=04:tagsd9:__proto__d3:tag1:xeee'), {
    result: 'ok',
    sdp: 'v=0',
    tags: Object.fromEntries([['__proto__', { tag: 'x' }]]),
  });
  t.same(reply('d6:result5:error12:error-reason12:Unknown calle'), {
    result: 'error',
    'error-reason': 'Unknown call',
  });
  t.same(reply('d6:result10:load limit7:message8:too manye'), {
    result: 'error',
    'error-reason': 'too many',
  });
  t.same(reply('d6:result5:errore'), { result: 'error', 'error-reason': 'error' });
  t.equal(reply('d6:result2:ok3:sdpi1ee'), undefined);
  t.equal(reply('d6:resulti1ee'), undefined);
  t.equal(reply('d7:command4:pinge'), undefined);
});
