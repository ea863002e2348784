// Hostile datagrams: 20,000 mutants against a server, none of which stops, stalls or grows it.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { silentLogger } from '../log.ts';
import { Random } from '../sip/fuzz.ts';
import { cpuMsOf } from '../testing/cpu-time.ts';
import { decodeBencode } from './bencode.ts';
import { createNgClient } from './client.ts';
import { encodeNg } from './message.ts';
import { createNgServer } from './server.ts';

const MUTANTS = 20_000;
const BATCH = 40;

const SEEDS = [
  { command: 'ping' },
  {
    command: 'offer',
    'call-id': 'c@h',
    'from-tag': 'f',
    sdp: 'v=0\r\no=- 1 1 IN IP4 h\r\n',
    flags: ['trust address'],
  },
  {
    command: 'answer',
    'call-id': 'c@h',
    'from-tag': 'f',
    'to-tag': 't',
    sdp: 'v=0\r\n',
    replace: ['origin'],
  },
  { command: 'delete', 'call-id': 'c@h', 'delete delay': 30, flags: ['fatal'] },
  { command: 'start recording', 'call-id': 'c@h', metadata: '{}', nested: { a: [[{ b: [] }]] } },
].map((dict, index) => encodeNg(`seed${index}`, dict));
const PIECES = ['i-0e', 'd', 'l', 'e', '99999:', '9007199254740993:', '9:__proto__', ' ', '\0', 'i1e', '0:'];

function mutate(random: Random): Buffer {
  let bytes = Buffer.from(SEEDS[random.below(SEEDS.length)] ?? '');
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(bytes.length + 1);
    const piece = PIECES[random.below(PIECES.length)] ?? '';
    const kind = random.below(4);
    if (kind === 0 && at < bytes.length) bytes[at] = random.below(256);
    else if (kind === 1) bytes = bytes.subarray(0, at);
    else if (kind === 2)
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(piece), bytes.subarray(at)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(8))]);
  }
  return Buffer.from(bytes);
}

t.test('20,000 mutants: each is counted, and the server still answers', async (t) => {
  const server = await createNgServer({
    host: '127.0.0.1',
    port: 0,
    log: silentLogger(),
    handle: (request) => ({ result: 'ok', warning: request.command }),
  });
  const log = silentLogger();
  const client = await createNgClient({ host: '127.0.0.1', port: server.port, timeoutMs: 10_000, log });
  const attacker = createSocket('udp4');
  attacker.connect(server.port, '127.0.0.1');
  await once(attacker, 'connect');
  t.teardown(() => Promise.all([server.close(), client.close(), attacker.close()]));
  let answered = 0;
  attacker.on('message', () => answered++);
  const random = new Random(42);
  for (let sent = 0; sent < MUTANTS; sent += BATCH) {
    const batch = Array.from({ length: BATCH }, () => mutate(random));
    await Promise.all(batch.map((bytes) => new Promise((done) => attacker.send(bytes, done))));
    await client.request({ command: 'ping' });
  }
  const { requests, retransmissions, dropped, invalid, errors } = server.counters;
  const ours = client.counters.requests + client.counters.retransmissions;
  t.equal(requests + retransmissions + dropped + invalid, MUTANTS + ours);
  t.equal(errors, 0);
  for (const count of [dropped, invalid, requests, answered]) t.ok(count > 300, `${count}`);
});

t.test('the worst that 64 KiB can hold is handled in milliseconds', async (t) => {
  const worst = [
    'l'.repeat(65536),
    'd1:a'.repeat(16384),
    `l${'le'.repeat(32767)}e`,
    `l${'0:'.repeat(32767)}e`,
    `d${Array.from({ length: 7000 }, (_, index) => `4:${`${index}`.padStart(4, '0')}le`).join('')}e`,
    '1'.repeat(65536),
    `i${'1'.repeat(65535)}`,
  ];
  for (const text of worst) {
    const took = cpuMsOf(() => void decodeBencode(Buffer.from(text)));
    t.ok(took < 200, `${text.slice(0, 20)}: ${took.toFixed(1)} ms`);
  }
});
