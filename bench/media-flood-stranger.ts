// The strangers of media-flood.ts: as many RTP packets a second as they are told, from 256 hosts of loopback, to these ports in turn.
//
//   node media-flood-stranger.ts PORT,PORT... RATE SECONDS
//
// Prints how many were sent, in how many seconds, and what has come back to them.
import { Inbox, Outbox, openPartySocket, RTP_BYTES, sleepMicros } from './rtp-kernel.ts';

const STRANGERS = 256;
/** Packets of one sendmmsg. */
const BATCH = 64;
const TICK_US = 500;
const DRAIN_US = 300_000;

const [ports = '', rate = '0', seconds = '0'] = process.argv.slice(2);
const targets = ports.split(',').map((port) => ({ address: '127.0.0.1', port: Number(port) }));
const { fd } = openPartySocket();
const outbox = new Outbox(
  fd,
  Array.from(
    { length: STRANGERS },
    (_, index) => targets[index % targets.length] ?? { address: '127.0.0.1', port: 9 },
  ),
);
const inbox = new Inbox(fd);
for (let stranger = 0; stranger < STRANGERS; stranger += 1) {
  const at = outbox.packetAt(stranger);
  for (let byte = 0; byte < RTP_BYTES; byte += 1) outbox.view.setUint8(at + byte, 0x55);
  outbox.view.setUint16(at, 0x8000);
  outbox.view.setUint32(at + 8, 0x57_00_00 + stranger);
}

const total = Number(rate) * Number(seconds);
const start = performance.now();
let sent = 0;
while (sent < total) {
  const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * Number(rate)));
  while (sent < due) {
    const first = sent % STRANGERS;
    const count = Math.min(BATCH, due - sent, STRANGERS - first);
    for (let stranger = first; stranger < first + count; stranger += 1)
      outbox.view.setUint16(outbox.packetAt(stranger) + 2, Math.floor(sent / STRANGERS) & 0xffff);
    outbox.send(first, count);
    sent += count;
  }
  sleepMicros(TICK_US);
}
const elapsed = (performance.now() - start) / 1000;
sleepMicros(DRAIN_US);
let received = 0;
for (let count = inbox.receive(); count > 0; count = inbox.receive()) {
  received += count;
  inbox.reset(count);
}
console.log(JSON.stringify({ sent, seconds: elapsed, received }));
