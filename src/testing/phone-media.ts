// The media end of a test phone: an RTP port and the RTCP port after it, sending and listening (RFC 3550 section 11).
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { GrecError, systemCode } from '../errors.ts';
import { createRtpReceiver, type RtpReceiver } from './rtp-receiver.ts';
import { createRtpSender, type RtpSender, type SentAudio } from './rtp-sender.ts';

/** Where and how to send, as the peer's description says. */
export interface MediaTarget {
  address: string;
  rtpPort: number;
  payloadType: number;
  /** False while the peer does not want to receive (RFC 3264 section 6.1). */
  mayReceive: boolean;
}

export interface PhoneMedia {
  readonly address: string;
  readonly rtpPort: number;
  readonly receiver: RtpReceiver;
  /** RTCP packets that came. */
  readonly rtcpReceived: number;
  readonly target: MediaTarget | undefined;
  /** Hears nobody but where it sends to, as some telephones do. */
  isStrict: boolean;
  aim(target: MediaTarget): void;
  /**
   * Sends companded audio at its own pace; see {@link RtpSender.play}. What falls into a time when the peer does not
   * want to receive is not sent.
   */
  play(audio: Uint8Array): Promise<SentAudio>;
  /** Sends one packet as it stands. */
  sendPacket(packet: Buffer): void;
  /** Ends playing; the ports stay open for what is still on its way. */
  stop(): void;
  close(): Promise<void>;
}

/** How many pairs of neighbouring ports are tried. */
const PAIR_ATTEMPTS = 200;

/**
 * Opens an even port for RTP and the next one for RTCP, wherever both are free.
 * @throws GrecError PORTS_EXHAUSTED, or Node's error when the address is none of this machine
 */
export async function openPhoneMedia(address: string): Promise<PhoneMedia> {
  const [rtp, rtcp] = await bindPair(address);
  return new SocketMedia(address, rtp, rtcp);
}

class SocketMedia implements PhoneMedia {
  readonly address: string;
  readonly rtpPort: number;
  readonly receiver = createRtpReceiver();
  rtcpReceived = 0;
  target: MediaTarget | undefined;
  isStrict = false;
  readonly #sockets: Socket[];
  readonly #rtp: Socket;
  #sender: RtpSender | undefined;
  #isClosed = false;

  constructor(address: string, rtp: Socket, rtcp: Socket) {
    this.address = address;
    this.rtpPort = rtp.address().port;
    this.#rtp = rtp;
    this.#sockets = [rtp, rtcp];
    rtp.on('message', (bytes, { address: from, port }) => {
      const isTarget = from === this.target?.address && port === this.target.rtpPort;
      if (isTarget || !this.isStrict) this.receiver.receive(bytes);
    });
    rtcp.on('message', () => {
      this.rtcpReceived += 1;
    });
    // A peer that closed its port first is no error of this side.
    for (const socket of this.#sockets) socket.on('error', () => undefined);
  }

  aim(target: MediaTarget): void {
    this.target = target;
    const { payloadType } = target;
    if (this.#sender !== undefined) this.#sender.payloadType = payloadType;
    else this.#sender = createRtpSender({ payloadType, send: (packet) => this.#put(packet) });
  }

  async play(audio: Uint8Array): Promise<SentAudio> {
    return (await this.#sender?.play(audio)) ?? { packets: 0, samples: 0 };
  }

  sendPacket(packet: Buffer): void {
    this.#put(packet);
  }

  stop(): void {
    this.#sender?.stop();
  }

  async close(): Promise<void> {
    this.stop();
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all(this.#sockets.map((socket) => new Promise<void>((done) => socket.close(done))));
  }

  #put(packet: Buffer): void {
    if (this.#isClosed || this.target?.mayReceive !== true) return;
    this.#rtp.send(packet, this.target.rtpPort, this.target.address, () => undefined);
  }
}

async function bindPair(address: string): Promise<[rtp: Socket, rtcp: Socket]> {
  for (let attempt = 0; attempt < PAIR_ATTEMPTS; attempt += 1) {
    const rtp = await bind(address, 0);
    const port = rtp?.address().port ?? 1;
    const rtcp = port % 2 === 0 ? await bind(address, port + 1) : undefined;
    if (rtp !== undefined && rtcp !== undefined) return [rtp, rtcp];
    rtp?.close();
  }
  throw new GrecError('PORTS_EXHAUSTED', `no two neighbouring UDP ports are free on ${address}`);
}

/** @returns undefined when the port is taken */
async function bind(address: string, port: number): Promise<Socket | undefined> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    const listening = once(socket, 'listening');
    socket.bind(port, address);
    await listening;
    return socket;
  } catch (thrown) {
    socket.close();
    if (systemCode(thrown) === 'EADDRINUSE') return undefined;
    throw thrown;
  }
}
