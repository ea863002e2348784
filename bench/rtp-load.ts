// The load generator, a process of its own: every party of every call, 50 packets a second each (RFC 3551, 20 ms of G.711).
//
// Started by rtp-load-control.ts. It says on stdout which port the parties have, takes its plan from stdin as one line of JSON, says
// when each phase begins, and at last what became of the packets. From the plan on it is one loop without an event: send what
// is due, take what has come, sleep. So it costs little, and its own delays are seen (`lateMs`).
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { Inbox, Outbox, openPartySocket, RTP_BYTES, realTime, sleepMicros } from './rtp-kernel.ts';
import { LATENCY_LIMIT_US, type LoadLine, type LoadPlan, PhaseCount } from './rtp-load-words.ts';

const PACKET_MS = 20;
/** Packets that share one time stamp: the last of them leaves some tens of microseconds after it. */
const SEND_BATCH = 16;
const TICK_US = 500;
const DRAIN_MS = 400;
const SAMPLES = 160;
const PAYLOAD_TYPE = 8;

function tell(line: LoadLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

const { fd, port } = openPartySocket();
tell({ port });
const lines = createInterface({ input: process.stdin });
const plan = await new Promise<LoadPlan>((resolve) =>
  lines.once('line', (line) => resolve(JSON.parse(line) as LoadPlan)),
);
lines.close();
const flows = plan.targets.length;
const outbox = new Outbox(fd, plan.targets);
const inbox = new Inbox(fd);
/** First round of each phase, and the end. */
const bounds = [0];
for (const seconds of plan.phases)
  bounds.push((bounds.at(-1) ?? 0) + Math.round((seconds * 1000) / PACKET_MS));
const rounds = bounds.at(-1) ?? 0;
const phaseOfRound = new Uint8Array(rounds);
for (const [phase, first] of bounds.entries()) phaseOfRound.fill(phase, first);
const phases = plan.phases.map(() => new PhaseCount());
const seen = new Uint8Array(rounds * flows);
const highest = new Int32Array(flows).fill(-1);

for (let flow = 0; flow < flows; flow += 1) {
  const at = outbox.packetAt(flow);
  for (let byte = 12; byte < RTP_BYTES; byte += 1) outbox.view.setUint8(at + byte, 0xd5);
  outbox.view.setUint8(at, 0x80);
  outbox.view.setUint8(at + 1, PAYLOAD_TYPE);
  outbox.view.setUint32(at + 8, flow + 1);
}

/** Sequence number, timestamp, and in the payload the round and the time of sending. */
function stamp(flow: number, round: number, now: number): void {
  const at = outbox.packetAt(flow);
  outbox.view.setUint16(at + 2, round & 0xffff);
  outbox.view.setUint32(at + 4, (round * SAMPLES) >>> 0);
  outbox.view.setUint32(at + 12, round);
  outbox.view.setFloat64(at + 16, now, true);
}

function sendDue(sent: number, due: number): void {
  for (let from = sent; from < due; ) {
    const round = Math.floor(from / flows);
    const first = from % flows;
    const count = Math.min(SEND_BATCH, due - from, flows - first);
    const now = realTime();
    for (let flow = first; flow < first + count; flow += 1) stamp(flow, round, now);
    outbox.send(first, count);
    const phase = phases[phaseOfRound[round] ?? 0];
    if (phase !== undefined) phase.sent += count;
    from += count;
  }
}

function takeCome(): void {
  for (;;) {
    const count = inbox.receive();
    for (let index = 0; index < count; index += 1) take(index);
    inbox.reset(count);
    if (count < inbox.isFullAt) return;
  }
}

function take(index: number): void {
  const at = inbox.packetAt(index);
  const flow = inbox.view.getUint32(at + 8) - 1;
  const round = inbox.view.getUint32(at + 12);
  const phase = phases[phaseOfRound[round] ?? 0];
  if (inbox.length(index) !== RTP_BYTES || flow >= flows || round >= rounds || phase === undefined) return;
  const key = round * flows + flow;
  if (seen[key] === 1) {
    phase.duplicates += 1;
    return;
  }
  seen[key] = 1;
  if (round < (highest[flow] ?? 0)) phase.reordered += 1;
  else highest[flow] = round;
  phase.take(inbox.cameAt(index) - inbox.view.getFloat64(at + 16, true));
}

const before = process.cpuUsage();
const start = performance.now();
const total = rounds * flows;
let begun = 0;
for (let sent = 0; sent < total; ) {
  const elapsed = performance.now() - start;
  const due = Math.min(total, Math.floor((elapsed / PACKET_MS) * flows));
  const round = Math.floor(sent / flows);
  if (round >= (bounds[begun] ?? Number.POSITIVE_INFINITY)) {
    tell({ begins: begun });
    begun += 1;
  }
  const late = elapsed - (sent * PACKET_MS) / flows;
  phases[phaseOfRound[round] ?? 0]?.late(late);
  sendDue(sent, due);
  sent = due;
  takeCome();
  if (performance.now() - start - elapsed < TICK_US / 1000) sleepMicros(TICK_US);
}
tell({ begins: begun });
for (const end = performance.now() + DRAIN_MS; performance.now() < end; sleepMicros(TICK_US)) takeCome();
const { user, system } = process.cpuUsage(before);
tell({
  results: phases.map((phase) => phase.result()),
  cpuMs: (user + system) / 1000,
  limitUs: LATENCY_LIMIT_US,
});
process.exit(0);
