// A SIP peer that sends literal text and keeps what comes, over UDP or TCP: for tests of what no good peer would do.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { eventually, type Teardown } from './user-agent-fixture.ts';

export interface RawPeer {
  port: number;
  /** Every message so far, as text. */
  received: string[];
  send(text: string | Buffer, port: number): void;
  /** The first message from index `from` on that matches. */
  expect(pattern: RegExp, from?: number): Promise<string>;
}

export async function udpPeer(t: Teardown, host = '127.0.0.1'): Promise<RawPeer> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const received: string[] = [];
  socket.on('message', (bytes) => void received.push(bytes.toString('latin1')));
  socket.bind(0, host);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return {
    port: socket.address().port,
    received,
    send: (text, port) => socket.send(text, port, host),
    expect: (pattern, from = 0) => expectIn(received, pattern, from),
  };
}

export interface RawConnection {
  socket: Socket;
  /** Everything so far, as text. */
  text(): string;
  send(text: string | Buffer): void;
  expect(pattern: RegExp): Promise<string>;
  closed: Promise<void>;
}

export async function tcpPeer(t: Teardown, port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return {
    socket,
    closed,
    text: () => text,
    send: (bytes) => void socket.write(bytes),
    expect: async (pattern) => {
      await eventually(() => pattern.test(text));
      return text;
    },
  };
}

async function expectIn(received: string[], pattern: RegExp, from: number): Promise<string> {
  const find = () => received.slice(from).find((text) => pattern.test(text));
  await eventually(() => find() !== undefined);
  return find() ?? '';
}

/** The value of a header in a message as text. */
export function headerOf(text: string, name: string): string {
  return new RegExp(`^${name}: *(.*)\\r$`, 'im').exec(text)?.[1] ?? '';
}

/** A response to a request as text, as a phone would send it. */
export function answerTo(
  request: string,
  status: string,
  lines: string[] = [],
  toTag = 'raw',
  sdp = '',
): string {
  const to = headerOf(request, 'to');
  return [
    `SIP/2.0 ${status}`,
    `Via: ${headerOf(request, 'via')}`,
    `From: ${headerOf(request, 'from')}`,
    `To: ${to.includes('tag=') || status.startsWith('100') ? to : `${to};tag=${toTag}`}`,
    `Call-ID: ${headerOf(request, 'call-id')}`,
    `CSeq: ${headerOf(request, 'cseq')}`,
    ...lines,
    ...withSdp(sdp),
  ].join('\r\n');
}

function withSdp(sdp: string): string[] {
  const type = sdp === '' ? [] : ['Content-Type: application/sdp'];
  return [...type, `Content-Length: ${sdp.length}`, '', sdp];
}

export interface RawRequest {
  method: string;
  port: number;
  /** Where the agent under test is. */
  to: number;
  branch?: string;
  callId?: string;
  seq?: number;
  toTag?: string;
  fromTag?: string;
  lines?: string[];
  transport?: string;
  sdp?: string;
}

let branches = 0;

export function rawRequest(options: RawRequest): string {
  const { method, port, to, seq = 1, toTag, lines = [], transport = 'UDP', fromTag = 'rawtag' } = options;
  branches += 1;
  return [
    `${method} sip:2002@127.0.0.1:${to} SIP/2.0`,
    `Via: SIP/2.0/${transport} 127.0.0.1:${port};branch=${options.branch ?? `z9hG4bKraw${branches}`}`,
    'Max-Forwards: 70',
    `From: <sip:raw@127.0.0.1>;tag=${fromTag}`,
    `To: <sip:2002@127.0.0.1>${toTag === undefined ? '' : `;tag=${toTag}`}`,
    `Call-ID: ${options.callId ?? `raw-${branches}`}`,
    `CSeq: ${seq} ${method}`,
    `Contact: <sip:raw@127.0.0.1:${port}>`,
    ...lines,
    ...withSdp(options.sdp ?? ''),
  ].join('\r\n');
}
