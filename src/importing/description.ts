// Session descriptions in captured messages: where the party wants its audio, and in which formats (RFC 8866, RFC 3264).
import { endpointKeyOf } from '../capture/endpoint.ts';
import { audioOf, isSecure, mediaAddress, rtpFormats } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import type { SipMessage } from '../sip/message.ts';
import type { Described } from './call-facts.ts';

const MOST_FORMATS = 32;

/** The description in a message's body; undefined when there is none with audio over RTP. */
export function describedIn({
  headers,
  body,
}: SipMessage): Omit<Described, 'at' | 'side' | 'tag'> | undefined {
  const text = sdpBody(headers['content-type'], body);
  const parsed = text === undefined ? undefined : parseSdp(text);
  if (parsed === undefined || !parsed.ok) return undefined;
  const audio = audioOf(parsed.sdp);
  const place = audio === undefined ? undefined : mediaAddress(parsed.sdp, audio);
  if (audio === undefined || place === undefined) return undefined;
  const { address, rtpPort, rtcpPort } = place;
  return {
    rtp: endpointKeyOf(address, rtpPort),
    rtcp: endpointKeyOf(address, rtcpPort),
    address,
    formats: rtpFormats(audio).slice(0, MOST_FORMATS),
    isSecure: isSecure(audio),
  };
}

/** The body, or the part of a multipart one (RFC 5621) that is a session description. */
function sdpBody(contentType: unknown, body: Buffer): Buffer | undefined {
  const type = typeof contentType === 'string' ? contentType.trim().toLowerCase() : '';
  if (type.startsWith('application/sdp')) return body;
  if (!type.startsWith('multipart/')) return undefined;
  const start = body.indexOf('\r\n\r\nv=0\r\n', 0, 'latin1');
  if (start < 0) return undefined;
  const end = body.indexOf('\r\n--', start + 4, 'latin1');
  return body.subarray(start + 4, end < 0 ? body.length : end + 2);
}
