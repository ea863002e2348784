// A party of a relayed call in its plainest form: two UDP ports and a description; no audio, no signalling.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { buildRtpPacket } from './packets.ts';

export interface UdpParty {
  readonly rtpPort: number;
  readonly rtcpPort: number;
  /** An SDP of this party; another address or port may be stated than the true one. */
  sdp(stated?: { address?: string; port?: number; formats?: string; direction?: string }): string;
  /** Sends RTP number `n` to that port: PCMU, 160 bytes of `n`, sequence number `n`. */
  sendRtp(port: number, n: number): void;
  sendRaw(port: number, bytes: Uint8Array): void;
  sendRtcp(port: number, bytes: Uint8Array): void;
  /** What came, in order. */
  readonly rtp: Buffer[];
  readonly rtcp: Buffer[];
  /** Resolves when so many packets have come in all. */
  until(count: { rtp?: number; rtcp?: number }): Promise<void>;
  close(): void;
}

const SSRC_OF_PORT = 0x10000;

/** The packet that {@link UdpParty.sendRtp} sends from `rtpPort`. */
export function numberedPacket(rtpPort: number, n: number): Buffer {
  return buildRtpPacket({
    payloadType: 0,
    sequenceNumber: n & 0xffff,
    timestamp: (n * 160) >>> 0,
    ssrc: SSRC_OF_PORT + rtpPort,
    payload: new Uint8Array(160).fill(n & 0xff),
  });
}

/** @param address a loopback address; the ports that it sends to are of the family's first one */
export async function openUdpParty(address = '127.0.0.1'): Promise<UdpParty> {
  const server = address.includes(':') ? '::1' : '127.0.0.1';
  const rtpSocket = await bind(address);
  const rtcpSocket = await bind(address);
  const rtp: Buffer[] = [];
  const rtcp: Buffer[] = [];
  let isClosed = false;
  let waiting: (() => boolean)[] = [];
  const look = () => {
    waiting = waiting.filter((isDone) => !isDone());
  };
  rtpSocket.on('message', (bytes) => {
    rtp.push(bytes);
    look();
  });
  rtcpSocket.on('message', (bytes) => {
    rtcp.push(bytes);
    look();
  });
  const rtpPort = rtpSocket.address().port;
  const rtcpPort = rtcpSocket.address().port;
  return {
    rtpPort,
    rtcpPort,
    rtp,
    rtcp,
    sdp: (stated = {}) => describe(stated.address ?? address, stated.port ?? rtpPort, rtcpPort, stated),
    sendRtp: (port, n) => rtpSocket.send(numberedPacket(rtpPort, n), port, server),
    sendRaw: (port, bytes) => rtpSocket.send(bytes, port, server),
    sendRtcp: (port, bytes) => rtcpSocket.send(bytes, port, server),
    until: (count) =>
      new Promise((resolve) => {
        waiting.push(() => {
          const isDone = rtp.length >= (count.rtp ?? 0) && rtcp.length >= (count.rtcp ?? 0);
          if (isDone) resolve();
          return isDone;
        });
        look();
      }),
    close() {
      if (isClosed) return;
      isClosed = true;
      rtpSocket.close();
      rtcpSocket.close();
    },
  };
}

async function bind(address: string): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  // ICMP from a relay that has closed its ports.
  socket.on('error', () => undefined);
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

function describe(
  address: string,
  port: number,
  rtcpPort: number,
  { formats = '0 8', direction = 'sendrecv' }: { formats?: string; direction?: string },
): string {
  const family = address.includes(':') ? 'IP6' : 'IP4';
  return [
    'v=0',
    `o=- 1 1 IN ${family} ${address}`,
    's=-',
    `c=IN ${family} ${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP ${formats}`,
    `a=rtcp:${rtcpPort}`,
    `a=${direction}`,
    '',
  ].join('\r\n');
}
