// AMR payloads, from literal bytes (RFC 4867 section 4).
import t from 'tap';
import { amrOptions, readAmr } from './amr.ts';

const aligned = { isWide: false, isOctetAligned: true, hasCrc: false };
const efficient = { ...aligned, isOctetAligned: false };
const speech = new Array<number>(12).fill(0xaa);

t.test('what fmtp says', async (t) => {
  t.same(amrOptions(false), efficient);
  t.same(amrOptions(false, 'mode-set=7; octet-align=1'), aligned);
  t.same(amrOptions(true, 'CRC=1'), { isWide: true, isOctetAligned: true, hasCrc: true });
  t.same(amrOptions(false, 'octet-align=0;mode-change-neighbor=1'), efficient);
  t.equal(amrOptions(false, 'octet-align=1; interleaving=30'), undefined);
  t.equal(amrOptions(false, 'robust-sorting=1'), undefined);
});

t.test('frames in their storage format', async (t) => {
  // CMR 15; type 0 (4.75 kbit/s, 95 bits), good.
  t.same(readAmr(Uint8Array.from([0xf0, 0x04, ...speech]), aligned), [
    Uint8Array.from([0x04, ...speech.slice(0, 11), 0xaa]),
  ]);
  // Two frames, then no data, then one that was damaged, then comfort noise (39 bits).
  const several = [0xf0, 0x84, 0x84, 0xfc, 0x80, 0x44, ...speech, ...speech, ...speech, 1, 2, 3, 4, 6];
  const frames = readAmr(Uint8Array.from(several), aligned);
  t.same(
    frames?.map((frame) => frame?.length),
    [13, 13, undefined, undefined, undefined],
  );
  t.equal(readAmr(Uint8Array.from([0xf0, 0x04, 9, ...speech]), { ...aligned, hasCrc: true })?.length, 1);
});

t.test('bandwidth-efficient: the same bits without gaps', async (t) => {
  // 1111 (CMR) 0 0000 1 (type 0, good), then 95 bits of ones: 105 bits, seven of padding.
  const payload = Uint8Array.from([0xf0, 0x7f, ...new Array<number>(11).fill(0xff), 0x80]);
  t.same(readAmr(payload, efficient), [Uint8Array.from([0x04, ...new Array<number>(11).fill(0xff), 0xfe])]);
});

t.test('what breaks off or is unknown is none', async (t) => {
  for (const bytes of [[], [0xf0], [0xf0, 0x04, 1, 2], [0xf0, 0x84], [0xf0, 0x64], [0xff, 0xff, 0xff]])
    t.equal(readAmr(Uint8Array.from(bytes), aligned), undefined, `${bytes}`);
});
