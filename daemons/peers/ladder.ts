// A ladder diagram of the signalling of one call, from a capture on loopback: SIP, and the ng protocol beside it.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { textOf } from '../../src/ng/fields.ts';
import { decodeNg } from '../../src/ng/message.ts';
import { audioOf } from '../../src/sdp/offer-answer.ts';
import { parseSdp } from '../../src/sdp/parse.ts';

/** Who stands where, from left to right; `port` is that of its signalling. */
export interface Rung {
  name: string;
  port: number;
  /** The ports of its media, by which its descriptions are known. */
  media?: readonly number[];
}

interface Message {
  from: number;
  to: number;
  text: string;
}

export interface Trace {
  /** Stops and draws what was seen. */
  draw(rungs: readonly Rung[]): Promise<string[]>;
}

const COLUMN = 24;
/** What comes before this in the capture is all there. */
const MARK = Buffer.from('the end of the trace');

/** Watches these UDP ports on loopback. Resolves when it sees. */
export async function trace(ports: readonly number[]): Promise<Trace> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-ladder-'));
  const file = join(directory, 'lo.pcap');
  const filter = `udp and (${ports.map((port) => `port ${port}`).join(' or ')})`;
  const dumpcap = spawn('dumpcap', ['-i', 'lo', '-f', filter, '-P', '-w', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(dumpcap, 'close');
  for await (const line of createInterface({ input: dumpcap.stderr })) if (line.startsWith('File:')) break;
  dumpcap.stderr.resume();
  return {
    draw: async (rungs) => {
      await mark(ports[0] ?? 0, file);
      dumpcap.kill('SIGINT');
      await closed;
      const messages = await read(file, rungs);
      rmSync(directory, { recursive: true, force: true });
      return render(rungs, withAcksInPlace(messages));
    },
  };
}

/**
 * An ACK is drawn behind the response that it acknowledges. On the wire it may come after what the switch asks of the media server
 * because of the same response: SIP goes out together at the end of a turn, and nobody waits for an ACK.
 */
export function withAcksInPlace(messages: readonly Message[]): Message[] {
  const placed: Message[] = [];
  for (const message of messages) {
    const { from, to, text } = message;
    const answered = placed.findLastIndex(
      (one) => one.from === to && one.to === from && /^[2-6]\d\d/.test(one.text),
    );
    if (text === 'ACK' && answered >= 0) placed.splice(answered + 1, 0, message);
    else placed.push(message);
  }
  return placed;
}

/** The kernel hands packets over in blocks: the capture is whole when it holds a datagram that was sent after all others. */
async function mark(port: number, file: string): Promise<void> {
  const socket = createSocket('udp4');
  while (!readFileSync(file).includes(MARK)) {
    socket.send(MARK, port, '127.0.0.1');
    await setTimeout(50);
  }
  socket.close();
}

async function read(file: string, rungs: readonly Rung[]): Promise<Message[]> {
  const argv = [
    '-n',
    '-r',
    file,
    '-T',
    'fields',
    '-e',
    'udp.srcport',
    '-e',
    'udp.dstport',
    '-e',
    'udp.payload',
  ];
  const tshark = spawn('tshark', argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  const seen = new Set<string>();
  const messages: Message[] = [];
  const commands = new Map<string, string>();
  for await (const line of createInterface({ input: tshark.stdout })) {
    // A retransmission is no message of its own.
    if (seen.has(line)) continue;
    seen.add(line);
    const [source = '', destination = '', hex = ''] = line.split('\t');
    const payload = Buffer.from(hex.replaceAll(':', ''), 'hex');
    const text = describeSip(payload, rungs) ?? describeNg(payload, rungs, commands);
    const [from, to] = [placeOf(rungs, Number(source)), placeOf(rungs, Number(destination))];
    if (text === undefined) continue;
    // The switch speaks the ng protocol from a port of its own.
    const sipd = rungs.findIndex(({ name }) => name === 'grec-sipd');
    messages.push({ from: from < 0 ? sipd : from, to: to < 0 ? sipd : to, text });
  }
  return messages;
}

function placeOf(rungs: readonly Rung[], port: number): number {
  return rungs.findIndex((rung) => rung.port === port);
}

function describeSip(payload: Buffer, rungs: readonly Rung[]): string | undefined {
  const [head = '', body = ''] = payload.toString('latin1').split('\r\n\r\n');
  const [first = ''] = head.split('\r\n');
  const request = /^([A-Z]+) \S+ SIP\/2\.0$/.exec(first)?.[1];
  const response = /^SIP\/2\.0 (\d+)/.exec(first)?.[1];
  if (request === undefined && response === undefined) return undefined;
  return `${request ?? response}${ofWhom(Buffer.from(body, 'latin1'), rungs)}`;
}

function describeNg(
  payload: Buffer,
  rungs: readonly Rung[],
  commands: Map<string, string>,
): string | undefined {
  const decoded = decodeNg(payload);
  if (!decoded.ok) return undefined;
  const { command, result, sdp, 'record call': record } = decoded.dict;
  if (Buffer.isBuffer(command)) {
    commands.set(decoded.cookie, textOf(command));
    if (textOf(command) === 'ping') return undefined;
    return `${textOf(command)}${record === undefined ? '' : ', record'}${ofWhom(sdp, rungs)}`;
  }
  if (!Buffer.isBuffer(result) || textOf(result) === 'pong') return undefined;
  return `${textOf(result)}${ofWhom(sdp, rungs)}`;
}

/** ` (SDP 7001)`: whose media a description names. */
function ofWhom(sdp: unknown, rungs: readonly Rung[]): string {
  if (!Buffer.isBuffer(sdp) || sdp.length === 0) return '';
  const parsed = parseSdp(sdp);
  const port = parsed.ok ? audioOf(parsed.sdp)?.port : undefined;
  if (port === undefined) return '';
  const party = rungs.find(({ media }) => media?.includes(port));
  return ` (SDP ${party?.name ?? 'mediad'})`;
}

/** One line a message: its text stands on its arrow. */
export function render(rungs: readonly Rung[], messages: readonly Message[]): string[] {
  const head = rungs.map(({ name }) => name.padEnd(COLUMN)).join('');
  return [head.trimEnd(), ...messages.map((message) => arrow(rungs.length, message))];
}

function arrow(count: number, { from, to, text }: Message): string {
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  const width = (right - left) * COLUMN - 1;
  const [before, after] = from < to ? ['', '>'] : ['<', ''];
  const shaft = `${before}- ${text} `.padEnd(width - after.length, '-') + after;
  const columns: string[] = [];
  for (let index = 0; index < count; ) {
    const isArrow = index === left;
    columns.push(`|${isArrow ? shaft : index === count - 1 ? '' : ' '.repeat(COLUMN - 1)}`);
    index += isArrow ? right - left : 1;
  }
  return columns.join('').trimEnd();
}
