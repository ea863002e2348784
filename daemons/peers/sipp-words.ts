// What scenarios say again and again, by the words `{…}` that stand for it in them.

const VIA = 'Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]';
const CONTACT = 'Contact: <sip:[local_ip]:[local_port];transport=[transport]>';
const CALLER = 'From: <sip:{caller}@[local_ip]:[local_port]>;tag=[call_number]';

const sdp = (version: number, direction: string) =>
  [
    ...['Content-Type: application/sdp', 'Content-Length: [len]', ''],
    ...['v=0', `o=u 1 ${version} IN IP4 [local_ip]`, 's=-', 'c=IN IP4 [local_ip]', 't=0 0'],
    ...['m=audio 6000 RTP/AVP 0', 'a=rtpmap:0 PCMU/8000', `a=${direction}`, ''],
  ].join('\n');

const KEEP = ['Via', 'From', 'To', 'CSeq'].map(
  (header) => `<ereg regexp=".*" search_in="hdr" header="${header}:" assign_to="${header.toLowerCase()}"/>`,
);

export const SHORTHAND: Record<string, string> = {
  /** Headers of the caller's requests, outside a dialog and in it; CSeq is left to say. */
  calling: [
    ...[VIA, CALLER, 'To: <sip:{number}@[remote_ip]>', 'Call-ID: [call_id]'],
    ...[CONTACT, 'Max-Forwards: 70'],
  ].join('\n'),
  'in-call': [
    ...[VIA, CALLER, 'To: <sip:{number}@[remote_ip]>[peer_tag_param]', 'Call-ID: [call_id]'],
    ...[CONTACT, 'Max-Forwards: 70'],
  ].join('\n'),
  /** Headers of a response to what came last, outside a dialog and in it. */
  answering: [
    '[last_Via:]\n[last_From:]\n[last_To:];tag=[call_number]',
    `[last_Call-ID:]\n[last_CSeq:]\n${CONTACT}`,
  ].join('\n'),
  replying: `[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n${CONTACT}`,
  /** Keeps the INVITE's headers, for a response after other messages; `kept` stands at the end of the scenario. */
  keep: `<action>${KEEP.join('')}</action>`,
  kept: '<Reference variables="via,from,to,cseq"/>',
  'answering-kept': [
    'Via:[$via]\nFrom:[$from]\nTo:[$to];tag=[call_number]',
    `[last_Call-ID:]\nCSeq:[$cseq]\n${CONTACT}`,
  ].join('\n'),
  /** Headers of the callee's requests in the dialog whose INVITE was kept. */
  'from-callee': [
    ...[VIA, 'From:[$to];tag=[call_number]', 'To:[$from]', 'Call-ID: [call_id]'],
    ...[CONTACT, 'Max-Forwards: 70'],
  ].join('\n'),
  sdp: sdp(1, 'sendrecv'),
  'sdp-again': sdp(2, 'sendrecv'),
  'sdp-hold': sdp(2, 'sendonly'),
  'sdp-held': sdp(2, 'recvonly'),
  'sdp-retrieved': sdp(3, 'sendrecv'),
  empty: 'Content-Length: 0\n',
};
