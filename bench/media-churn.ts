// Opens, records and deletes calls on one grec-mediad, one after the other, and watches its memory and its open files.
//
// Memory grows for the half minute for which replies are kept, and until V8 has found its size; then it is flat.
//
//   node bench/media-churn.ts [CALLS]        8,000 calls
import { startGrecMedia } from './media-servers.ts';

const calls = Number(process.argv[2] ?? 8000);
const daemon = await startGrecMedia(undefined, { ports: { first: 48_000, last: 48_999 } });
const sdp =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n';
const readings: number[] = [];
const started = performance.now();
for (let n = 1; n <= calls; n += 1) {
  const ids = { 'call-id': `call-${n}`, 'from-tag': 'a', 'to-tag': 'b' };
  await daemon.ng.request({ command: 'offer', ...ids, sdp });
  await daemon.ng.request({ command: 'answer', ...ids, sdp });
  await daemon.ng.request({ command: 'start recording', 'call-id': ids['call-id'] });
  await daemon.ng.request({ command: 'delete', 'call-id': ids['call-id'] });
  if (n % Math.ceil(calls / 10) === 0) {
    readings.push(daemon.rssMb());
    console.log(`${String(n).padStart(7)} calls   ${daemon.rssMb().toFixed(1)} MiB resident`);
  }
}
const { calls: open, media, finishing } = await daemon.status();
console.log(
  `${(calls / ((performance.now() - started) / 1000)).toFixed(0)} calls a second; ${open} open, ${media.portsUsed} ports in use, ${finishing} being finished`,
);
await daemon.stop();
const settled = readings[6] ?? 0;
const growth = (readings.at(-1) ?? 0) - settled;
console.log(`growth over the last third: ${growth.toFixed(1)} MiB`);
process.exitCode = open === 0 && media.portsUsed === 0 && growth < 16 ? 0 : 1;
