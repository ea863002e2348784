// The length of Opus packets, from literal bytes (RFC 6716 section 3).
import t from 'tap';
import { opusTicks } from './opus-packet.ts';

/** TOC: configuration, stereo, frame count code. */
const toc = (configuration: number, code: number) => (configuration << 3) | code;
const packet = (...bytes: number[]) => opusTicks(Uint8Array.from(bytes));

t.test('ticks of 48 kHz by configuration and count', async (t) => {
  t.equal(packet(toc(0, 0), 1), 480, 'SILK, 10 ms');
  t.equal(packet(toc(3, 0), 1), 2880, 'SILK, 60 ms');
  t.equal(packet(toc(13, 0), 1), 960, 'hybrid, 20 ms');
  t.equal(packet(toc(16, 0), 1), 120, 'CELT, 2.5 ms');
  t.equal(packet(toc(31, 0)), 960, 'nothing but the TOC: discontinuous transmission');
  t.equal(packet(toc(31, 1), 1, 2), 1920, 'two frames of one length');
  t.equal(packet(toc(31, 2), 1, 7, 8, 9), 1920, 'two frames of different lengths');
  t.equal(packet(toc(31, 3), 3, 7, 8, 9), 2880, 'three frames of one length');
  t.equal(packet(toc(31, 3), 0x83, 1, 0, 7, 8), 2880, 'three frames, each with a length');
  t.equal(packet(toc(31, 3), 0x41, 2, 7, 0, 0), 960, 'padded');
});

t.test('bytes that break a rule are no packet', async (t) => {
  const broken: [string, number[]][] = [
    ['no TOC', []],
    ['R2: too long', [toc(31, 0), ...new Array<number>(1276).fill(0)]],
    ['R3: halves that differ', [toc(31, 1), 1]],
    ['R4: no length', [toc(31, 2)]],
    ['R4: half a length', [toc(31, 2), 252]],
    ['R4: longer than the packet', [toc(31, 2), 3, 1, 2]],
    ['R5: no frames', [toc(31, 3), 0]],
    ['R5: 140 ms', [toc(31, 3), 7, 1, 2, 3, 4, 5, 6, 7]],
    ['R6: parts that differ', [toc(31, 3), 3, 1, 2]],
    ['R6: padding beyond the end', [toc(31, 3), 0x41, 9]],
    ['R6: padding without end', [toc(31, 3), 0x41, 255]],
    ['R7: lengths beyond the end', [toc(31, 3), 0x83, 9, 9]],
  ];
  for (const [what, bytes] of broken) t.equal(packet(...bytes), undefined, what);
});
