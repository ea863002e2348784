// What the audio line says: the line itself, its formats, its direction, its addresses.
import t from 'tap';
import {
  audioOf,
  directionOf,
  isSecure,
  mediaAddress,
  reverseDirection,
  rtpFormats,
} from './offer-answer.ts';
import { parseSdp } from './parse.ts';
import type { MediaDescription, SessionDescription } from './session-description.ts';

function description(...lines: string[]): SessionDescription {
  const result = parseSdp(['v=0', 'o=- 1 1 IN IP4 h', 's=-', ...lines].join('\n'));
  if (!result.ok) throw new Error(result.reason);
  return result.sdp;
}

function audio(...lines: string[]): { sdp: SessionDescription; media: MediaDescription } {
  const sdp = description(...lines);
  const media = audioOf(sdp);
  if (media === undefined) throw new Error('no audio');
  return { sdp, media };
}

t.test('the audio line is the first active one over RTP, plain before secure', async (t) => {
  const chosen = (...lines: string[]) => audioOf(description(...lines))?.port;
  t.equal(
    chosen('m=video 1 RTP/AVP 31', 'm=audio 0 RTP/AVP 0', 'm=audio 3 RTP/AVPF 0', 'm=audio 4 RTP/AVP 0'),
    3,
  );
  t.equal(chosen('m=audio 1 RTP/SAVP 0', 'm=audio 2 RTP/AVP 0'), 2);
  t.equal(chosen('m=audio 1 UDP/TLS/RTP/SAVPF 0'), 1);
  t.equal(chosen('m=audio 1 udptl t38', 'm=image 2 udptl t38', 'm=audio 0 RTP/AVP 0'), undefined);
  t.equal(isSecure(audio('m=audio 1 RTP/SAVP 0').media), true);
  t.equal(isSecure(audio('m=audio 1 RTP/AVP 0').media), false);
});

t.test('formats come from a=rtpmap, else from the static table of RFC 3551', async (t) => {
  const { media } = audio(
    'm=audio 1 RTP/AVP 0 9 18 97 98 99 101 13 8 0 x 200',
    'a=rtpmap:97 opus/48000/2',
    'a=rtpmap:99 bad',
    'a=rtpmap:101 telephone-event/8000',
    'a=rtpmap:8 pcma/8000',
    'a=rtpmap:101 later/16000',
    'a=fmtp:18 annexb=no',
    'a=fmtp:101 0-15',
  );
  t.same(rtpFormats(media), [
    { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 },
    { payloadType: 9, encoding: 'G722', clockRate: 8000, channels: 1 },
    { payloadType: 18, encoding: 'G729', clockRate: 8000, channels: 1, fmtp: 'annexb=no' },
    { payloadType: 97, encoding: 'OPUS', clockRate: 48000, channels: 2 },
    { payloadType: 101, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1, fmtp: '0-15' },
    { payloadType: 13, encoding: 'CN', clockRate: 8000, channels: 1 },
    { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1 },
  ]);
});

t.test('direction: the media line before the session, sendrecv by default, hold by address', async (t) => {
  const direction = (...lines: string[]) => {
    const { sdp, media } = audio(...lines);
    return directionOf(media, sdp);
  };
  const line = 'm=audio 1 RTP/AVP 0';
  t.equal(direction('c=IN IP4 10.0.0.1', line), 'sendrecv');
  t.equal(direction('c=IN IP4 10.0.0.1', 'a=recvonly', line), 'recvonly');
  t.equal(direction('a=inactive', line, 'c=IN IP4 10.0.0.1', 'a=sendonly'), 'sendonly');
  t.equal(direction('c=IN IP4 0.0.0.0', line), 'sendonly');
  t.equal(direction('c=IN IP6 ::', line, 'a=recvonly'), 'inactive');
  t.equal(direction('c=IN IP4 0.0.0.0', line, 'c=IN IP4 10.0.0.1'), 'sendrecv');
  t.equal(direction('c=IN IP4 10.0.0.1', line, 'c=IN IP4 0.0.0.0', 'a=inactive'), 'inactive');
});

t.test('a direction is answered by its reverse', async (t) => {
  t.same((['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const).map(reverseDirection), [
    'sendrecv',
    'recvonly',
    'sendonly',
    'inactive',
  ]);
});

t.test('media addresses: c= of the line before the session, a=rtcp before the next port', async (t) => {
  const at = (...lines: string[]) => {
    const { sdp, media } = audio(...lines);
    return mediaAddress(sdp, media);
  };
  t.same(at('c=IN IP4 10.0.0.1', 'm=audio 4000 RTP/AVP 0'), {
    address: '10.0.0.1',
    rtpPort: 4000,
    rtcpPort: 4001,
    rtcpMux: false,
  });
  t.same(
    at('c=IN IP4 10.0.0.1', 'm=audio 4000 RTP/AVP 0', 'c=IN IP6 2001:db8::7', 'a=rtcp:53020', 'a=rtcp-mux'),
    {
      address: '2001:db8::7',
      rtpPort: 4000,
      rtcpPort: 53020,
      rtcpMux: true,
    },
  );
  t.match(at('c=IN IP4 h', 'm=audio 4000 RTP/AVP 0', 'a=rtcp:53020 IN IP4 126.16.64.4'), { rtcpPort: 53020 });
  for (const bad of ['a=rtcp:0', 'a=rtcp:65536', 'a=rtcp:x', 'a=rtcp', 'a=rtcp:99999999999']) {
    t.match(at('c=IN IP4 h', 'm=audio 4000 RTP/AVP 0', bad), { rtcpPort: 4001 }, bad);
  }
  t.match(at('c=IN IP4 h', 'm=audio 65535 RTP/AVP 0'), { rtcpPort: 65535 });
  t.equal(at('m=audio 4000 RTP/AVP 0'), undefined);
});
