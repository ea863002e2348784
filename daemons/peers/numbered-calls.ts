// Recorded calls between two phones whose every packet has a number, so that each can be accounted for.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../src/log.ts';
import { openCapture } from '../../src/spool/capture-file.ts';
import { CAPTURE_FILE, FACTS_FILE, parseFacts } from '../../src/spool/segment.ts';
import { buildRtpPacket, readRtpPacket } from '../../src/testing/packets.ts';
import { createPhone, type Phone, type PhoneCall } from '../../src/testing/phone.ts';
import type { Installation } from './installation.ts';
import type { FlowHistory } from './packet-accounts.ts';

export const PACKET_MS = 20;
const SAMPLES = 160;
const TICK_MS = 5;

/** What one party says: its SSRC is the index of the flow, plus one. */
interface Flow {
  from: PhoneCall;
  to: PhoneCall;
  sent: number[];
}

/** Calls from 7002 to 7001, which is recorded. `close` must be called. */
export class NumberedCalls {
  readonly #installation: Installation;
  #phones: Phone[] = [];
  readonly flows: Flow[] = [];
  #timer: NodeJS.Timeout | undefined;
  #began = 0;
  #rounds = 0;
  /** Calls that ended, and by whom, while they should not. */
  readonly dropped: string[] = [];

  constructor(installation: Installation) {
    this.#installation = installation;
  }

  /** Resolves when so many calls are up. */
  async open(calls: number): Promise<void> {
    const [caller, agent] = [await this.#phone('7002', false), await this.#phone('7001', true)];
    this.#phones = [caller, agent];
    for (let index = 0; index < calls; index += 1) {
      const out = await caller.call('7001');
      const into = await agent.nextCall();
      const outcomes = await Promise.all([out.outcome, into.outcome]);
      if (outcomes.some(({ answered }) => !answered)) throw new Error(`call ${index} was not answered`);
      void out.ended.then(({ by }) => this.#dropping(`call ${index}: ${by}`));
      this.flows.push({ from: out, to: into, sent: [] }, { from: into, to: out, sent: [] });
    }
  }

  async #phone(number: string, record: boolean): Promise<Phone> {
    const { sip } = this.#installation;
    await this.#installation.addDn(number, 'secret', { record });
    const phone = await createPhone({
      number,
      password: 'secret',
      registrar: { ...sip, protocol: 'udp' },
      listenHost: '127.0.0.1',
      log: silentLogger(),
    });
    await phone.register();
    return phone;
  }

  #isEnding = false;
  #dropping(what: string): void {
    if (!this.#isEnding) this.dropped.push(what);
  }

  /** Everybody speaks, 50 packets a second. */
  speak(): void {
    this.#began = performance.now();
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  #sendDue(): void {
    const due = Math.floor((performance.now() - this.#began) / PACKET_MS);
    for (; this.#rounds < due; this.#rounds += 1)
      for (const [index, flow] of this.flows.entries()) this.#send(index, flow);
  }

  #send(index: number, { from: { media }, sent }: Flow): void {
    const isSent = media.target?.mayReceive === true;
    sent.push(isSent ? performance.now() : Number.NaN);
    if (!isSent) return;
    const payload = Buffer.alloc(SAMPLES, 0x40 + (this.#rounds % 64));
    payload.writeUInt32BE(this.#rounds);
    const ssrc = index + 1;
    const [sequenceNumber, timestamp] = [this.#rounds & 0xffff, (this.#rounds * SAMPLES) >>> 0];
    media.sendPacket(buildRtpPacket({ payloadType: 0, sequenceNumber, timestamp, ssrc, payload }));
  }

  /** Resolves when every party has heard so many packets more: of each flow. */
  async heard(packets: number): Promise<void> {
    await Promise.all(
      this.flows.map(({ to: { media } }) => media.receiver.until(media.receiver.count().received + packets)),
    );
  }

  /** Nobody speaks any more. */
  silence(): void {
    clearInterval(this.#timer);
  }

  /** Resolves when the last that was said has been heard by all. */
  async heardOut(): Promise<void> {
    await Promise.all(
      this.flows.map(async ({ to, sent }, index) => {
        const last = sent.findLastIndex((at) => !Number.isNaN(at));
        const { receiver } = to.media;
        const isHeard = () =>
          receiver.streams.some(
            ({ ssrc, packets }) =>
              ssrc === index + 1 && packets.some(({ payload }) => numberOf(payload) === last),
          );
        while (!isHeard()) await receiver.until(receiver.count().received + 1);
      }),
    );
  }

  async hangUp(): Promise<void> {
    this.#isEnding = true;
    for (const { from } of this.flows) if (from.direction === 'outgoing') await from.hangup();
  }

  async close(): Promise<void> {
    this.#isEnding = true;
    this.silence();
    for (const phone of this.#phones) await phone.close();
  }

  /** What became of each flow. @param captured by {@link readSpool} */
  histories(captured: SpoolRead['captured']): FlowHistory[] {
    return this.flows.map((flow, index) => {
      const heard = new Uint8Array(flow.sent.length);
      for (const { ssrc, packets } of flow.to.media.receiver.streams)
        if (ssrc === index + 1)
          for (const { payload } of packets) {
            const number = numberOf(payload);
            heard[number] = (heard[number] ?? 0) + 1;
          }
      const captures = captured.map((segment) => segment.get(index) ?? []);
      return { name: `call ${index >> 1} ${index % 2 === 0 ? 'caller' : 'agent'}`, ...flow, heard, captures };
    });
  }
}

function numberOf(payload: Uint8Array): number {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).readUInt32BE();
}

export interface SpoolRead {
  /** Numbers of packets by segment, oldest first, and by flow. */
  captured: Map<number, number[]>[];
  /** Why segments were closed, how often each. */
  closed: Record<string, number>;
  /** What cannot be read, or has not been closed. */
  problems: string[];
}

/**
 * Reads every segment of a spool.
 * @param isOpen it may be open, with an unfinished record at its end
 */
export function readSpool(spool: string, isOpen = false, skip: ReadonlySet<string> = new Set()): SpoolRead {
  const read: SpoolRead = { captured: [], closed: {}, problems: [] };
  for (const id of readdirSync(spool).sort()) if (!skip.has(id)) readSegment(spool, id, isOpen, read);
  return read;
}

function readSegment(spool: string, id: string, isOpen: boolean, read: SpoolRead): void {
  const parsed = parseFacts(readFileSync(join(spool, id, FACTS_FILE), 'utf8'));
  if ('problem' in parsed) {
    read.problems.push(`${id}: ${parsed.problem}`);
    return;
  }
  const reason = parsed.facts.closed?.reason ?? 'open';
  read.closed[reason] = (read.closed[reason] ?? 0) + 1;
  const flows = new Map<number, number[]>();
  const capture = openCapture(join(spool, id, CAPTURE_FILE));
  for (const { payload } of capture) {
    const packet = readRtpPacket(payload);
    const numbers = flows.get((packet?.ssrc ?? 0) - 1) ?? [];
    if (packet === undefined) read.problems.push(`${id}: holds what is no RTP`);
    else flows.set(packet.ssrc - 1, numbers);
    numbers.push(numberOf(packet?.payload ?? payload));
  }
  if (capture.problem !== undefined) read.problems.push(`${id}: ${capture.problem}`);
  if (!isOpen && (capture.truncatedBytes > 0 || reason === 'open'))
    read.problems.push(`${id}: ${reason}, ${capture.truncatedBytes} bytes of an unfinished record`);
  read.captured.push(flows);
}
