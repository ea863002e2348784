// Garbage of one call: what grec-sipd allocates from INVITE to BYE, by the place that allocates it.
//
//   node bench/sip-garbage.ts [--calls 2000] [--places 40] [--cpu] [--json]
//
// The whole switch in this process, its socket faked: the same figures however busy the machine is. What the faked phones
// allocate is told apart by the stack of each sample, and left out. `--cpu` tells shares of its time instead.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type HeapProfiler, type Profiler, Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { loadConfig } from '../src/config.ts';
import { createLogger } from '../src/log.ts';
import { type UdpEvents, UdpListener } from '../src/sip/transport-udp.ts';
import type { Peer } from '../src/sip/user-agent-types.ts';
import { startSwitch } from '../src/switch/start-switch.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '2000' },
    places: { type: 'string', default: '40' },
    cpu: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const CALLS = Number(values.calls);
const PLACES = Number(values.places);
/** Until code is compiled and shapes of objects are settled. */
const WARM_UP_CALLS = 2000;
/** Calls that are up at once, as with 300 a second that last for one. */
const OPEN = 300;
const SAMPLING_BYTES = 4096;
const PORT = 25_060;
const CALLER = { address: '127.0.0.2', port: 5080 };
const CALLEE = { address: '127.0.0.3', port: 5070 };

const SDP = [
  'v=0',
  'o=user1 53655765 2353687637 IN IP4 127.0.0.2',
  's=-',
  'c=IN IP4 127.0.0.2',
  't=0 0',
  'm=audio 6000 RTP/AVP 8 0 101',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-16',
  'a=sendrecv',
  '',
].join('\r\n');

interface Datagram {
  bytes: Buffer;
  from: typeof CALLER;
}

/** One caller and one callee, who answer in later turns. */
class Phones {
  done = 0;
  placed = 0;
  isOver = false;
  readonly #waiting: Datagram[] = [];
  readonly #open: Datagram[] = [];

  get isBusy(): boolean {
    return this.#waiting.length > 0 || this.#open.length > 0;
  }

  place(): void {
    const id = `${++this.placed}-77@127.0.0.2`;
    this.#give(CALLER, [
      `INVITE sip:7001@127.0.0.1:${PORT} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK-77-${this.placed}-0`,
      `From: sipp <sip:+4930123@127.0.0.2:5080>;tag=77SIPpTag00${this.placed}`,
      `To: <sip:7001@127.0.0.1:${PORT}>`,
      `Call-ID: ${id}`,
      'CSeq: 1 INVITE',
      'Contact: <sip:+4930123@127.0.0.2:5080>',
      'Max-Forwards: 70',
      'Content-Type: application/sdp',
      `Content-Length: ${SDP.length}`,
      '',
      SDP,
    ]);
  }

  /** Ends the oldest call when there are more than `most`. */
  hangUp(most: number): void {
    const bye = this.#open.length > most ? this.#open.shift() : undefined;
    if (bye !== undefined) this.#waiting.push(bye);
  }

  next(): Datagram | undefined {
    return this.#waiting.shift();
  }

  /** What the switch has sent. */
  take(text: string, port: number): void {
    const first = text.slice(0, text.indexOf('\r\n'));
    if (this.isOver) return;
    if (port === CALLEE.port) this.#answer(text, first.split(' ', 1)[0] ?? '');
    else if (first.startsWith('SIP/2.0 200')) this.#confirm(text);
    else if (!first.startsWith('SIP/2.0 1')) throw new Error(`not expected: ${text}`);
  }

  #answer(text: string, method: string): void {
    if (method === 'ACK') return;
    const common = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${headerOf(text, name)}`);
    const to = `To: ${headerOf(text, 'To')}`;
    if (method === 'BYE')
      return this.#give(CALLEE, ['SIP/2.0 200 OK', ...common, to, 'Content-Length: 0', '', '']);
    const head = [
      ...common,
      `${to};tag=88SIPpTag01${this.placed}`,
      'Contact: <sip:127.0.0.3:5070;transport=UDP>',
    ];
    const type = ['Content-Type: application/sdp', `Content-Length: ${SDP.length}`];
    this.#give(CALLEE, ['SIP/2.0 180 Ringing', ...head, 'Content-Length: 0', '', '']);
    this.#give(CALLEE, ['SIP/2.0 200 OK', ...head, ...type, '', SDP]);
  }

  #confirm(text: string): void {
    if (headerOf(text, 'CSeq') === '2 BYE') return void this.done++;
    const uri = /<(.*)>/.exec(headerOf(text, 'Contact'))?.[1] ?? '';
    const inDialog = (method: string, seq: number) => [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK-${method}-${headerOf(text, 'Call-ID')}`,
      ...['From', 'To', 'Call-ID'].map((name) => `${name}: ${headerOf(text, name)}`),
      `CSeq: ${seq} ${method}`,
      'Contact: sip:+4930123@127.0.0.2:5080',
      'Max-Forwards: 70',
      'Content-Length: 0',
      '',
      '',
    ];
    this.#give(CALLER, inDialog('ACK', 1));
    this.#open.push({ bytes: Buffer.from(inDialog('BYE', 2).join('\r\n')), from: CALLER });
  }

  #give(from: typeof CALLER, lines: readonly string[]): void {
    this.#waiting.push({ bytes: Buffer.from(lines.join('\r\n')), from });
  }
}

function headerOf(text: string, name: string): string {
  const start = text.indexOf(`\r\n${name}: `) + name.length + 4;
  return text.slice(start, text.indexOf('\r\n', start));
}

const phones = new Phones();
const doors: UdpEvents[] = [];

UdpListener.open = async (address, events) => {
  doors.push(events);
  const local: Peer = { protocol: 'udp', address: address.host, port: PORT };
  return {
    local,
    send: (bytes, peer) => phones.take(bytes.toString('latin1'), peer.port),
    flush: () => undefined,
    close: async () => undefined,
  };
};

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function run(calls: number): Promise<void> {
  const until = phones.placed + calls;
  const [door] = doors;
  if (door === undefined) throw new Error('the switch listens to nothing');
  while (phones.placed < until) {
    phones.place();
    phones.hangUp(OPEN);
    // Two calls a turn, or so, as at some hundred calls a second.
    for (let count = 0; count < 8; count++) {
      const datagram = phones.next();
      if (datagram === undefined) break;
      door.onDatagram(datagram.bytes, datagram.from.address, datagram.from.port);
    }
    await turn();
  }
}

/** Bytes, or microseconds, by place: alone, and with all that it calls. */
class Places {
  readonly #own = new Map<string, number>();
  readonly #whole = new Map<string, number>();
  total = 0;

  add(path: readonly string[], amount: number): void {
    if (amount === 0) return;
    this.total += amount;
    const last = ownerOf(path);
    this.#own.set(last, (this.#own.get(last) ?? 0) + amount);
    for (const place of new Set(path)) this.#whole.set(place, (this.#whole.get(place) ?? 0) + amount);
  }

  print(title: string, unit: string): void {
    for (const [name, places] of [
      ['of its own', this.#own],
      ['with what it calls', this.#whole],
    ] as const) {
      console.log(`\n${title}, ${name}`);
      for (const [place, amount] of [...places].sort((one, other) => other[1] - one[1]).slice(0, PLACES))
        console.log(`${(amount / CALLS).toFixed(unit === 'B' ? 0 : 1).padStart(8)} ${unit}  ${place}`);
    }
  }
}

/** What has no file is of the language itself, and says nothing without its caller. */
function ownerOf(path: readonly string[]): string {
  const at = path.findLastIndex((place) => !place.endsWith(' :0'));
  return path.slice(Math.max(at, 0)).reverse().join(' < ');
}

/** True inside what belongs to the phones, false inside the switch, undefined for what both use. */
function isPhones(url: string): boolean | undefined {
  if (url === import.meta.url) return true;
  return url.includes('/src/') ? false : undefined;
}

function placeOf({
  functionName,
  url,
  lineNumber,
}: HeapProfiler.SamplingHeapProfileNode['callFrame']): string {
  const file = url.replace(/^.*\/(src|node_modules)\//, '').replace(/^file:.*\//, '');
  return `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`;
}

function heapPlaces(head: HeapProfiler.SamplingHeapProfileNode): Places {
  const places = new Places();
  const walk = (node: HeapProfiler.SamplingHeapProfileNode, path: string[], wasPhones: boolean) => {
    const mine = isPhones(node.callFrame.url) ?? wasPhones;
    const here = [...path, placeOf(node.callFrame)];
    if (!mine) places.add(here, node.selfSize);
    for (const child of node.children) walk(child, here, mine);
  };
  walk(head, [], false);
  return places;
}

function cpuPlaces({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Places {
  const places = new Places();
  const spent = new Map<number, number>();
  samples.forEach((id, index) => {
    spent.set(id, (spent.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  });
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const walk = (id: number, path: string[], wasPhones: boolean) => {
    const node = byId.get(id);
    if (node === undefined) return;
    const mine = isPhones(node.callFrame.url) ?? wasPhones;
    const here = [...path, placeOf(node.callFrame)];
    if (!mine) places.add(here, spent.get(id) ?? 0);
    for (const child of node.children ?? []) walk(child, here, mine);
  };
  walk(nodes[0]?.id ?? 0, [], false);
  return places;
}

async function measure(session: Session): Promise<Places> {
  if (values.cpu) {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
    await run(CALLS);
    return cpuPlaces((await session.post('Profiler.stop')).profile);
  }
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: SAMPLING_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await run(CALLS);
  return heapPlaces((await session.post('HeapProfiler.stopSampling')).profile.head);
}

const directory = mkdtempSync(join(tmpdir(), 'grec-garbage-'));
try {
  writeFileSync(
    join(directory, 'grec.toml'),
    [
      'state.directory = "state"',
      `[sip]\nlisten = ["udp:127.0.0.1:${PORT}"]`,
      '[sip.limits]\noverload = 100',
      `[[trunk]]\nname = "carrier"\nhost = "${CALLER.address}"\n`,
    ].join('\n'),
  );
  const config = loadConfig({ file: join(directory, 'grec.toml') });
  mkdirSync(config.paths.state, { recursive: true });
  mkdirSync(config.paths.run, { recursive: true });
  const log = createLogger({
    name: 'grec-sipd',
    level: 'info',
    readable: false,
    destination: { write: () => undefined },
  });
  const daemon = await startSwitch({ config, log });
  const db = new Database(config.paths.switchDb);
  db.exec(`INSERT INTO dn (number, record, ha1, realm) VALUES ('7001', 0, 'x', 'grec')`);
  db.prepare(
    `INSERT INTO registration (number, contact, protocol, address, port, expires_at, call_id, cseq)
     VALUES ('7001', 'sip:7001@127.0.0.3:5070', 'udp', '127.0.0.3', 5070, ?, 'c', 1)`,
  ).run(Date.now() + 3_600_000);
  db.close();
  await run(WARM_UP_CALLS);
  const session = new Session();
  session.connect();
  const before = phones.done;
  const places = await measure(session);
  const ended = phones.done - before;
  if (ended < CALLS * 0.9) throw new Error(`only ${ended} of ${CALLS} calls ended`);
  phones.isOver = true;
  const unit = values.cpu ? 'us' : 'B';
  const perCall = Math.round(places.total / CALLS);
  if (values.json) console.log(JSON.stringify({ calls: CALLS, [`${unit}_per_call`]: perCall }));
  else {
    places.print(values.cpu ? 'microseconds per call' : 'bytes per call', unit);
    console.log(`\n${perCall} ${unit} per call`);
  }
  await Promise.race([daemon.stop(), new Promise((resolve) => setTimeout(resolve, 100))]);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);
