// What a siege throws at the daemons: hostile SIP by UDP, TCP and TLS, hostile calls, ng requests and RTP.
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { silentLogger } from '../../src/log.ts';
import { createNgClient } from '../../src/ng/client.ts';
import { Random } from '../../src/sip/fuzz.ts';
import { buildRtpPacket } from '../../src/testing/packets.ts';
import { createPhone } from '../../src/testing/phone.ts';
import { HostileConnection } from './hostile-connections.ts';
import { HostileNg } from './hostile-ng.ts';
import type { HostileSip } from './hostile-sip.ts';
import { freePort, type Installation } from './installation.ts';

const STRANGER = '127.0.0.15';
const PINGER = '127.0.0.16';
export const TRUNK = '127.0.0.12';
const DESK = '127.0.0.14';
/** Datagrams between two looks at whether the daemon keeps up. */
const BATCH = 50;
const CONNECTIONS = 10;
/** Messages that each connection gets in a batch. */
const PER_CONNECTION = 5;
const PING_LIMIT_MS = 5000;

export class Attack {
  readonly sent = { udp: 0, tcp: 0, tls: 0, calls: 0, ng: 0, rtp: 0 };
  /** Milliseconds until an OPTIONS behind a batch was answered. */
  readonly pings: number[] = [];
  lostPings = 0;
  readonly #installation: Installation;
  readonly #seed: number;
  readonly #random: Random;

  constructor(installation: Installation, seed: number) {
    this.#installation = installation;
    this.#seed = seed;
    this.#random = new Random(seed);
  }

  /** Sends as fast as the switch takes it: the ping behind each batch is answered after the batch. */
  async datagrams(hostile: HostileSip, count: number): Promise<void> {
    const { host, port } = this.#installation.sip;
    const socket = await bound(STRANGER);
    socket.on('message', () => undefined);
    await this.#inBatches(count, BATCH, async (size) => {
      for (let index = 0; index < size; index++) socket.send(hostile.datagram(), port, host);
      this.sent.udp += size;
    });
    socket.close();
  }

  /** Messages one after the other on a few connections, opened anew when the switch ends them. */
  async streams(hostile: HostileSip, protocol: 'tcp' | 'tls', count: number): Promise<void> {
    const { sip, tls } = this.#installation;
    const target = {
      protocol,
      host: sip.host,
      port: protocol === 'tls' ? tls.port : sip.port,
      from: STRANGER,
    };
    const connections = Array.from({ length: CONNECTIONS }, () => new HostileConnection(target));
    await this.#inBatches(count, CONNECTIONS * PER_CONNECTION, async (size) => {
      const each = Math.ceil(size / CONNECTIONS);
      await Promise.all(connections.map((connection) => this.#speak(connection, hostile, protocol, each)));
    });
    for (const connection of connections) connection.close();
  }

  async #speak(
    connection: HostileConnection,
    hostile: HostileSip,
    protocol: 'tcp' | 'tls',
    count: number,
  ): Promise<void> {
    if (protocol === 'tls' && this.#random.chance(5)) {
      await connection.knock(hostile.noHandshake());
    }
    // Now and then cut anywhere, a message to a packet otherwise.
    if (this.#random.chance(10)) {
      for (const chunk of hostile.stream()) await connection.write(chunk);
    } else for (let index = 0; index < count; index++) await connection.write(hostile.framed());
    this.sent[protocol] += count;
  }

  async #inBatches(count: number, size: number, send: (size: number) => Promise<void>): Promise<void> {
    const pinger = await bound(PINGER);
    for (let sent = 0; sent < count; sent += size) {
      await send(Math.min(size, count - sent));
      await this.#ping(pinger);
    }
    pinger.close();
  }

  async #ping(socket: Socket): Promise<void> {
    const start = performance.now();
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(PING_LIMIT_MS) });
    const { host, port } = this.#installation.sip;
    const id = randomBytes(8).toString('hex');
    socket.send(
      `OPTIONS sip:${host} SIP/2.0\r\nVia: SIP/2.0/UDP ${PINGER};branch=z9hG4bK${id};rport\r\nMax-Forwards: 70\r\nFrom: <sip:ping@h>;tag=1\r\nTo: <sip:${host}>\r\nCall-ID: ${id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`,
      port,
      host,
    );
    try {
      await answered;
      this.pings.push(performance.now() - start);
    } catch {
      this.lostPings += 1;
    }
  }

  /** Calls from a hostile trunk to a hostile callee, both of which the switch has to serve. */
  async calls(hostile: HostileSip, count: number): Promise<void> {
    const { host, port } = this.#installation.sip;
    const callee = await this.#hostileDesk(hostile);
    const caller = await bound(TRUNK);
    caller.on('message', (bytes, from) => {
      const text = bytes.toString('latin1');
      if (!text.startsWith('SIP/2.0')) caller.send(hostile.agree(text), from.port, from.address);
    });
    await this.#inBatches(count, 5, async (size) => {
      for (let index = 0; index < size; index++)
        caller.send(hostile.call({ host: TRUNK, port: caller.address().port }), port, host);
      this.sent.calls += size;
    });
    setTimeout(() => {
      caller.close();
      callee.close();
    }, 1000);
  }

  /** 6667, registered by a phone that is polite, and answering as one that is not. */
  async #hostileDesk(hostile: HostileSip): Promise<Socket> {
    const desk = await createPhone({
      number: '6667',
      password: 'hostile',
      registrar: { ...this.#installation.sip, protocol: 'udp' },
      listenHost: DESK,
      log: silentLogger(),
    });
    const local = Number(/:(\d+)/.exec(desk.contact.slice(4))?.[1]);
    await desk.register();
    await desk.close();
    const callee = createSocket('udp4');
    callee.bind(local, DESK);
    await once(callee, 'listening');
    callee.on('message', (bytes, from) => {
      const text = bytes.toString('latin1');
      if (text.startsWith('SIP/2.0') || text.startsWith('ACK')) return;
      const answers = text.startsWith('INVITE') ? hostile.answer(text) : [hostile.agree(text)];
      for (const answer of answers) callee.send(answer, from.port, from.address);
    });
    return callee;
  }

  /** @param calls the switch's names of the live calls */
  async ng(calls: readonly string[], count: number): Promise<void> {
    const { host, port } = this.#installation.config.mediad.ng;
    const hostile = new HostileNg(this.#seed, calls);
    const socket = await bound(STRANGER);
    socket.on('message', () => undefined);
    const client = await createNgClient({ host, port, timeoutMs: PING_LIMIT_MS, log: silentLogger() });
    for (let sent = 0; sent < count; sent += BATCH) {
      for (let index = 0; index < Math.min(BATCH, count - sent); index++)
        socket.send(hostile.datagram(), port, host);
      this.sent.ng += Math.min(BATCH, count - sent);
      const start = performance.now();
      await client.request({ command: 'ping' });
      this.pings.push(performance.now() - start);
    }
    await client.close();
    socket.close();
  }

  /** Strangers send at the live calls' own ports. */
  async rtp(calls: readonly string[], packetsPerSecond: number, seconds: number): Promise<void> {
    const ports = await this.#mediaPorts(calls);
    const sockets = await Promise.all([STRANGER, '127.0.0.17', '127.0.0.77'].map(bound));
    const perTick = Math.ceil(packetsPerSecond / 100);
    const until = performance.now() + seconds * 1000;
    while (performance.now() < until) {
      for (let index = 0; index < perTick; index++) {
        const bytes = rubbish(this.#random, this.sent.rtp);
        this.#random.pick(sockets).send(bytes, this.#random.pick(ports), '127.0.0.1', () => undefined);
        this.sent.rtp += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const socket of sockets) socket.close();
  }

  async #mediaPorts(calls: readonly string[]): Promise<number[]> {
    const { host, port } = this.#installation.config.mediad.ng;
    const client = await createNgClient({ host, port, timeoutMs: PING_LIMIT_MS, log: silentLogger() });
    const replies = await Promise.all(
      calls.map((call) => client.request({ command: 'query', 'call-id': call })),
    );
    await client.close();
    return replies.flatMap(({ tags = {} }) =>
      Object.values(tags).flatMap(({ medias }) =>
        medias.flatMap(({ streams }) => streams.flatMap((stream) => stream['local port'] ?? [])),
      ),
    );
  }
}

async function bound(host: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  socket.bind(await freePort(host), host);
  await once(socket, 'listening');
  return socket;
}

/** Random bytes, packets too short and as long as can be, RTCP that ends within itself, and RTP as good as the party's own. */
function rubbish(random: Random, count: number): Buffer {
  const kind = random.below(8);
  if (kind === 0) return randomBytes(random.below(12));
  if (kind === 1) return randomBytes(1 + random.below(1500));
  if (kind === 2)
    return Buffer.from([0x80, 200 + random.below(5), random.below(2), random.below(256), ...randomBytes(8)]);
  if (kind === 3 && random.chance(2)) return randomBytes(65_507);
  return buildRtpPacket({
    payloadType: random.pick([0, 8, 101]),
    sequenceNumber: count & 0xffff,
    timestamp: (count * 160) >>> 0,
    ssrc: 0xbad,
    payload: randomBytes(160),
  });
}
