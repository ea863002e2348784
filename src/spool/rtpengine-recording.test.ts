// The notes that rtpengine 10.5 leaves of a recording, as it wrote them; and what is none.
import t from 'tap';
import { readRtpengineNotes } from './rtpengine-recording.ts';

const METADATA = {
  recording: 'rec-1',
  call: 'call-1',
  sessionId: 'ab',
  parties: [
    { label: 'a', tag: 'tag-a', role: 'customer', number: '1', uri: 'sip:1|2@x' },
    { label: 'b', tag: 'tag-b', role: 'agent', number: '2', uri: 'sip:2@x' },
  ],
  streams: [
    {
      label: 'a',
      tag: 'tag-a',
      address: '127.0.0.1',
      rtpPort: 43018,
      rtcpPort: 43019,
      formats: [{ payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 }],
    },
  ],
};

const notes = (
  metadata: string,
  first = '/var/spool/rtpengine/pcaps/0190%40aaaa.x-1-aa6c32fb740353f3.pcap',
) =>
  `${first}


Timestamp started ms: 1795380324337.350
SDP mode: answer
SDP before RTP packet: 1

v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 43018 RTP/AVP 0 8

Timestamp terminated ms(first monologue): 0.000

call start time: 2026-11-22T20:45:24
call end time: 2026-11-22T20:45:24


${metadata}
`;

t.test('capture, call and metadata are read', async (t) => {
  t.same(readRtpengineNotes(notes(JSON.stringify(METADATA))), {
    capture: '0190%40aaaa.x-1-aa6c32fb740353f3.pcap',
    callId: '0190@aaaa.x-1',
    metadata: METADATA,
  });
});

t.test('a capture is never looked for elsewhere', async (t) => {
  const path = '/pcaps/../../etc/passwd/x-aa6c32fb740353f3.pcap';
  t.match(readRtpengineNotes(notes(JSON.stringify(METADATA), path)), { capture: 'x-aa6c32fb740353f3.pcap' });
  t.match(readRtpengineNotes(notes('{}', '/etc/passwd')), { problem: /names no capture/ });
  t.match(readRtpengineNotes(notes('{}', '%E0%A4%A-aa6c32fb740353f3.pcap')), { problem: /metadata/ });
});

t.test('what is cut off, or comes from another controller, is told', async (t) => {
  const whole = notes(JSON.stringify(METADATA));
  t.match(readRtpengineNotes(''), { problem: /first line/ });
  t.match(readRtpengineNotes(whole.slice(0, whole.indexOf('call end'))), {
    problem: /when the recording ended/,
  });
  for (const metadata of [
    '',
    'from:1|to:2',
    '{',
    '{"recording":"x"}',
    JSON.stringify({ ...METADATA, streams: 1 }),
  ])
    t.match(readRtpengineNotes(notes(metadata)), { problem: /not that of a grec-sipd/ });
});
