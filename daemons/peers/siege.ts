// Recorded calls under siege: hostile SIP, ng and RTP against running daemons, while phones talk, and what became of it all.
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCatalogReader } from '../../src/catalog/catalog.ts';
import { describeEnd } from '../../src/cli/daemons-runner.ts';
import { silentLogger } from '../../src/log.ts';
import { createNgClient } from '../../src/ng/client.ts';
import { Random } from '../../src/sip/fuzz.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { buildRtpPacket } from '../../src/testing/packets.ts';
import { createPhone, type PhoneCall } from '../../src/testing/phone.ts';
import { HostileNg } from './hostile-ng.ts';
import { HostileSip } from './hostile-sip.ts';
import { freePort, type Installation, install, readChannels } from './installation.ts';
import type { Stall } from './stall-watch.ts';

const STRANGER = '127.0.0.15';
const TRUNK = '127.0.0.12';
const DESK = '127.0.0.14';
/** Datagrams between two looks at whether the daemon keeps up. */
const BATCH = 50;
const STREAMS_AT_ONCE = 20;
const RATE_HZ = 8000;
const LONGEST_TALK_S = 600;
const PING_LIMIT_MS = 5000;
/** Timers of strangers' transactions and of unacknowledged answers run 32 s. */
const SETTLE_LIMIT_MS = 90_000;

export interface SiegeOptions {
  seed: number;
  sip: { datagrams: number; streams: number; calls: number };
  ng: { datagrams: number };
  rtp: { packetsPerSecond: number; seconds: number };
  /** Waits at the end until the timers of all that was made have run out, half a minute and more. */
  settles: boolean;
  say?(line: string): void;
}

/** Milliseconds. */
export interface Latency {
  median: number;
  p99: number;
  worst: number;
}

export interface SiegeReport {
  sent: { datagrams: number; streams: number; calls: number; ng: number; rtp: number };
  /** OPTIONS between two batches: the daemon's answer waits for what was sent before. */
  ping: Latency;
  control: Latency;
  lostPings: number;
  /** The longest times that each daemon's event loop computed without a turn, and when, in seconds from the beginning. */
  stalls: Record<string, { atS: number; ms: number }[]>;
  /** Resident megabytes before, and after everything has settled. */
  memoryMb: Record<string, { before: number; after: number }>;
  /** Channels that hold exactly what their phone sent; four when all is well. */
  exactChannels: number;
  differences: string[];
  /** RTP packets of strangers that a phone heard. */
  strangersHeard: number;
  left: { calls: number; portsUsed: number };
  counters: Record<string, number>;
  /** Lines of the log at level error that are none of the hostile calls' own, and fatal ones. */
  problems: string[];
  logLines: number;
}

export async function besiege(options: SiegeOptions): Promise<SiegeReport> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-siege-'));
  const installation = await watched(directory, () =>
    install({
      mediaPorts: 400,
      sip: 'ring-timeout = 5',
      toml: `[[trunk]]\nname = "hostile"\nhost = "${TRUNK}"\n`,
    }),
  );
  try {
    const dead = installation.daemons.died.then((end) => {
      throw new Error(describeEnd(end));
    });
    return await Promise.race([new Siege(options, installation, directory).run(), dead]);
  } catch (thrown) {
    throw new Error(`${String(thrown)}\n${installation.log.slice(-30).join('\n')}`);
  } finally {
    await installation.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Every daemon that `start` starts writes its stalls into the directory. */
async function watched<T>(directory: string, start: () => Promise<T>): Promise<T> {
  const before = process.env.NODE_OPTIONS;
  const watch = new URL(`./stall-watch.ts?directory=${directory}`, import.meta.url);
  process.env.NODE_OPTIONS = `--import=${watch.href}`;
  try {
    return await start();
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
}

interface Talk {
  caller: PhoneCall;
  callee: PhoneCall;
}

class Siege {
  readonly #options: SiegeOptions;
  readonly #installation: Installation;
  readonly #directory: string;
  readonly #pings: number[] = [];
  readonly #controls: number[] = [];
  readonly #sent = { datagrams: 0, streams: 0, calls: 0, ng: 0, rtp: 0 };
  #lostPings = 0;

  constructor(options: SiegeOptions, installation: Installation, directory: string) {
    this.#options = options;
    this.#installation = installation;
    this.#directory = directory;
  }

  async run(): Promise<SiegeReport> {
    const { addDn } = this.#installation;
    await addDn('6667', 'hostile', { record: true });
    const phones = await Promise.all(['7001', '7002', '7003', '7004'].map((number) => this.#phone(number)));
    const [one, two, three, four] = phones;
    if (one === undefined || two === undefined || three === undefined || four === undefined)
      throw new Error();
    const talks = [await this.#call(two, one), await this.#call(four, three)];
    const audio = noise(`${this.#options.seed}`);
    const speaking = talks.flatMap(({ caller, callee }) => [
      [caller, caller.speak(audio)] as const,
      [callee, callee.speak(audio.toReversed())] as const,
    ]);
    const before = await this.#memory();
    const since = Date.now();
    await this.#attack(talks);
    const stalls = this.#stalls(since);
    const { counters } = await this.#status('grec-sipd');
    for (const [call] of speaking) call.media.stop();
    const spoken = await Promise.all(
      speaking.map(async ([call, sent]) => ({ call, samples: (await sent).samples })),
    );
    const strangersHeard = speaking.reduce((sum, [call]) => sum + call.media.receiver.streams.length - 1, 0);
    for (const { caller } of talks) await caller.hangup();
    const compared = await this.#compare(talks, spoken, audio);
    await Promise.all(phones.map((phone) => phone.close()));
    const left = await this.#settle();
    const after = await this.#memory();
    const { log } = this.#installation;
    return {
      sent: this.#sent,
      ping: latency(this.#pings),
      control: latency(this.#controls),
      lostPings: this.#lostPings,
      stalls,
      memoryMb: Object.fromEntries(
        Object.entries(before).map(([name, rss]) => [name, { before: rss, after: after[name] ?? 0 }]),
      ),
      ...compared,
      strangersHeard,
      left,
      counters: counters as Record<string, number>,
      problems: log.filter((line) => /"level":"(error|fatal)"/.test(line) && !isOfHostileCall(line)),
      logLines: log.length,
    };
  }

  async #phone(number: string) {
    await this.#installation.addDn(number, `secret-${number}`, { record: Number(number) % 2 === 1 });
    const phone = await createPhone({
      number,
      password: `secret-${number}`,
      registrar: { ...this.#installation.sip, protocol: Number(number) > 7002 ? 'tcp' : 'udp' },
      listenHost: '127.0.0.1',
      log: silentLogger(),
    });
    const { status } = await phone.register();
    if (status !== 200) throw new Error(`${number}: ${status}`);
    return phone;
  }

  async #call(
    from: Awaited<ReturnType<typeof createPhone>>,
    to: Awaited<ReturnType<typeof createPhone>>,
  ): Promise<Talk> {
    const caller = await from.call(to.number);
    const callee = await to.nextCall();
    await Promise.all([caller.outcome, callee.outcome]);
    return { caller, callee };
  }

  async #attack(talks: Talk[]): Promise<void> {
    const { say = () => undefined, sip, ng, rtp, seed } = this.#options;
    const { calls } = await this.#installation.ask<{ calls: { call: string }[] }>(
      'grec-sipd',
      'GET',
      '/calls',
    );
    const targets = talks.flatMap(({ caller, callee }) =>
      [caller, callee].flatMap(({ callId, tags }) => (tags === undefined ? [] : [{ callId, tags }])),
    );
    const hostile = new HostileSip({ seed, ...this.#installation.sip, number: '6667', targets });
    const asking = setInterval(() => void this.#askStatus(), 100);
    const start = performance.now();
    const step = (what: string) => say(`${((performance.now() - start) / 1000).toFixed(1)} s: ${what}`);
    try {
      await this.#hostileCalls(hostile, sip.calls);
      step(`${sip.calls} hostile calls`);
      await this.#flood(this.#installation.sip.port, sip.datagrams, () => hostile.datagram(), 'datagrams');
      step(`${sip.datagrams} datagrams`);
      await this.#streams(hostile, sip.streams);
      step(`${sip.streams} streams`);
      const bad = new HostileNg(
        seed,
        calls.map(({ call }) => call),
      );
      await this.#floodNg(bad, ng.datagrams);
      step(`${ng.datagrams} ng requests`);
      await this.#floodRtp(
        rtp,
        calls.map(({ call }) => call),
      );
      step(`${this.#sent.rtp} RTP packets`);
    } finally {
      clearInterval(asking);
    }
  }

  async #askStatus(): Promise<void> {
    const start = performance.now();
    // That a daemon has ended is told elsewhere.
    const answer = await this.#status('grec-sipd').catch(() => undefined);
    if (answer !== undefined) this.#controls.push(performance.now() - start);
  }

  /** Sends as fast as the switch takes it: the ping behind each batch is answered after the batch. */
  async #flood(port: number, count: number, make: () => Buffer, what: 'datagrams'): Promise<void> {
    const socket = await bound(STRANGER);
    socket.on('message', () => undefined);
    const pinger = await bound('127.0.0.16');
    for (let sent = 0; sent < count; sent += BATCH) {
      for (let index = 0; index < Math.min(BATCH, count - sent); index++)
        socket.send(make(), port, '127.0.0.1');
      this.#sent[what] += Math.min(BATCH, count - sent);
      await this.#ping(pinger);
    }
    socket.close();
    pinger.close();
  }

  async #ping(socket: Socket): Promise<void> {
    const start = performance.now();
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(PING_LIMIT_MS) });
    const { host, port } = this.#installation.sip;
    const id = randomBytes(8).toString('hex');
    socket.send(
      `OPTIONS sip:${host} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.16;branch=z9hG4bK${id};rport\r\nMax-Forwards: 70\r\nFrom: <sip:ping@h>;tag=1\r\nTo: <sip:${host}>\r\nCall-ID: ${id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`,
      port,
      host,
    );
    try {
      await answered;
      this.#pings.push(performance.now() - start);
    } catch {
      this.#lostPings += 1;
    }
  }

  /** Calls from a hostile trunk to a hostile callee, both of which the switch has to serve. */
  async #hostileCalls(hostile: HostileSip, count: number): Promise<void> {
    const { host, port } = this.#installation.sip;
    const desk = await createPhone({
      number: '6667',
      password: 'hostile',
      registrar: { host, port, protocol: 'udp' },
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
    const caller = await bound(TRUNK);
    caller.on('message', (bytes, from) => {
      const text = bytes.toString('latin1');
      if (!text.startsWith('SIP/2.0')) caller.send(hostile.agree(text), from.port, from.address);
    });
    const pinger = await bound('127.0.0.16');
    for (let sent = 0; sent < count; sent += 5) {
      for (let index = 0; index < 5; index++) {
        caller.send(hostile.call({ host: TRUNK, port: caller.address().port }), port, host);
        this.#sent.calls += 1;
      }
      await this.#ping(pinger);
    }
    pinger.close();
    setTimeout(() => {
      caller.close();
      callee.close();
    }, 1000);
  }

  async #streams(hostile: HostileSip, count: number): Promise<void> {
    const pinger = await bound('127.0.0.16');
    for (let sent = 0; sent < count; sent += STREAMS_AT_ONCE) {
      const batch = Array.from({ length: Math.min(STREAMS_AT_ONCE, count - sent) }, () => hostile.stream());
      await Promise.all(batch.map((chunks) => this.#stream(chunks)));
      this.#sent.streams += batch.length;
      await this.#ping(pinger);
    }
    pinger.close();
  }

  #stream(chunks: Buffer[]): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({ ...this.#installation.sip, localAddress: STRANGER });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      socket.resume();
      socket.on('connect', () => {
        for (const chunk of chunks) socket.write(chunk);
        socket.end();
      });
      socket.setTimeout(PING_LIMIT_MS, () => socket.destroy());
    });
  }

  async #floodNg(hostile: HostileNg, count: number): Promise<void> {
    const { host, port } = this.#installation.config.mediad.ng;
    const socket = await bound(STRANGER);
    socket.on('message', () => undefined);
    const client = await createNgClient({ host, port, timeoutMs: PING_LIMIT_MS, log: silentLogger() });
    for (let sent = 0; sent < count; sent += BATCH) {
      for (let index = 0; index < Math.min(BATCH, count - sent); index++)
        socket.send(hostile.datagram(), port, host);
      this.#sent.ng += Math.min(BATCH, count - sent);
      const start = performance.now();
      await client.request({ command: 'ping' });
      this.#pings.push(performance.now() - start);
    }
    await client.close();
    socket.close();
  }

  /** Strangers send at the live calls' own ports. */
  async #floodRtp({ packetsPerSecond, seconds }: SiegeOptions['rtp'], calls: string[]): Promise<void> {
    const ports = await this.#mediaPorts(calls);
    const random = new Random(this.#options.seed);
    const sockets = await Promise.all([STRANGER, '127.0.0.17', '127.0.0.77'].map(bound));
    const perTick = Math.ceil(packetsPerSecond / 100);
    const until = performance.now() + seconds * 1000;
    while (performance.now() < until) {
      for (let index = 0; index < perTick; index++) {
        random
          .pick(sockets)
          .send(rubbish(random, this.#sent.rtp), random.pick(ports), '127.0.0.1', () => undefined);
        this.#sent.rtp += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const socket of sockets) socket.close();
  }

  async #mediaPorts(calls: string[]): Promise<number[]> {
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

  async #compare(talks: Talk[], spoken: { call: PhoneCall; samples: number }[], audio: Buffer) {
    const { paths } = this.#installation.config;
    const catalog = openCatalogReader(paths.catalog);
    const rows = await this.#installation.until('the live calls are recorded', async () => {
      // Hostile calls leave rows too, by the thousand.
      const found = catalog.list({ limit: 100_000 }).filter(({ dn }) => dn === '7001' || dn === '7003');
      return found.length < 2 ? undefined : found;
    });
    catalog.close();
    const samplesOf = (call: PhoneCall) => spoken.find((one) => one.call === call)?.samples ?? 0;
    const differences: string[] = [];
    for (const [index, dn] of ['7001', '7003'].entries()) {
      const row = rows.find((one) => one.dn === dn);
      const talk = talks[index];
      if (row?.path == null || talk === undefined) {
        differences.push(`${dn}: ${row?.state} ${row?.reason}`);
        continue;
      }
      const [left, right] = readChannels(
        join(this.#installation.config.paths.archive, row.path, 'audio.wav'),
      );
      const agent = toLinear(audio.toReversed().subarray(0, samplesOf(talk.callee)));
      const customer = toLinear(audio.subarray(0, samplesOf(talk.caller)));
      for (const [name, channel, wanted] of [
        ['agent', left, agent],
        ['customer', right, customer],
      ] as const) {
        const found = findAudio(channel, wanted);
        if (!found.exact) differences.push(`${dn} ${name}: ${JSON.stringify(found)} of ${wanted.length}`);
      }
    }
    return { exactChannels: 4 - differences.length, differences };
  }

  /** Waits until nothing is left of the siege, or tells what is. */
  async #settle(): Promise<SiegeReport['left']> {
    const limit = performance.now() + SETTLE_LIMIT_MS;
    for (;;) {
      const { calls } = await this.#installation.ask<{ calls: unknown[] }>('grec-sipd', 'GET', '/calls');
      const { media, calls: there } = (await this.#status('grec-mediad')) as {
        media: { portsUsed: number };
        calls: number;
      };
      const left = { calls: calls.length, portsUsed: media.portsUsed };
      // Ports that hostile controllers took by sound offers are not the switch's to give back.
      if (
        !this.#options.settles ||
        (left.calls === 0 && there * 2 <= media.portsUsed) ||
        performance.now() > limit
      )
        return left;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  #status(daemon: 'grec-sipd' | 'grec-mediad' | 'grec-procd'): Promise<Record<string, unknown>> {
    return this.#installation.ask(daemon, 'GET', '/status');
  }

  async #memory(): Promise<Record<string, number>> {
    const memory: Record<string, number> = {};
    for (const name of ['grec-sipd', 'grec-mediad'] as const) {
      const status = (await this.#status(name)) as { memory: { rss: number } };
      memory[name] = status.memory.rss;
    }
    return memory;
  }

  /** The five worst of each daemon. */
  #stalls(since: number): SiegeReport['stalls'] {
    const entries = (['grec-sipd', 'grec-mediad'] as const).map((name) => {
      const lines = readFileSync(join(this.#directory, `${name}.jsonl`), 'utf8')
        .trim()
        .split('\n');
      const stalls = lines
        .map((line) => JSON.parse(line) as Stall)
        .filter(({ at }) => at >= since)
        .map(({ at, gapMs, cpuMs }) => ({ atS: (at - since) / 1000, ms: Math.min(gapMs, cpuMs) }));
      return [name, stalls.toSorted((a, b) => b.ms - a.ms).slice(0, 5)] as const;
    });
    return Object.fromEntries(entries);
  }
}

/** Hostile calls to the recorded 6667 cannot be recorded; that this is told is as it should be. */
function isOfHostileCall(line: string): boolean {
  return line.includes('recording failed') || line.includes('grec-procd: ');
}

async function bound(host: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  socket.bind(await freePort(host), host);
  await once(socket, 'listening');
  return socket;
}

function latency(all: number[]): Latency {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
  return { median: at(0.5), p99: at(0.99), worst: at(1) };
}

function noise(seed: string): Buffer {
  const bytes = Buffer.alloc(LONGEST_TALK_S * RATE_HZ);
  for (let at = 0; at < bytes.length; at += 32) {
    createHash('sha256').update(`${seed} ${at}`).digest().copy(bytes, at);
  }
  return bytes;
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
