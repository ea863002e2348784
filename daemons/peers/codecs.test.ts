// Codecs that grec cannot decode, spoken by real phones in recorded calls: heard as they were said, captured whole, kept, and told of.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalogReader } from '../../src/catalog/catalog.ts';
import { readRtp } from '../../src/rtp/header.ts';
import { openCapture } from '../../src/spool/capture-file.ts';
import { CAPTURE_FILE, FACTS_FILE, parseFacts } from '../../src/spool/segment.ts';
import { noBaresip, startBaresip } from './baresip.ts';
import { install } from './installation.ts';
import { relayed } from './relayed.ts';
import { newTones, shareOf } from './tones.ts';

const AGENT_HZ = 440;
const CUSTOMER_HZ = 1000;
/** Of the tones and of what they are measured in. */
const RATE_HZ = 8000;
/** Packets of each party; more than a second of any codec here. */
const SPOKEN = 60;

interface Spoken {
  /** As baresip names it. */
  codec: string;
  encoding: string;
  /** What makes sound of the payloads, for the captures: input options of ffmpeg. */
  decoder?: string[];
}

const CODECS: Spoken[] = [
  { codec: 'G722/16000/1', encoding: 'G722', decoder: ['-f', 'g722'] },
  { codec: 'opus/48000/2', encoding: 'OPUS' },
  { codec: 'AMR/8000/1', encoding: 'AMR' },
  { codec: 'L16/16000/1', encoding: 'L16', decoder: ['-f', 's16be', '-ar', '16000'] },
  { codec: 'G726-32/8000/1', encoding: 'G726-32' },
];

const installation = await install();
t.teardown(() => installation.stop());
const tones = newTones();
t.teardown(() => tones.remove());
const [agentFile, customerFile] = [tones.write('agent', AGENT_HZ), tones.write('customer', CUSTOMER_HZ)];
t.jobs = CODECS.length;

let numbers = 7900;

async function newBaresip(t: Test, source: string, codecs: string, record: boolean) {
  const number = `${numbers++}`;
  const heard = mkdtempSync(join(tmpdir(), 'grec-heard-'));
  t.teardown(() => rmSync(heard, { recursive: true, force: true }));
  await installation.addDn(number, `secret-${number}`, { record });
  const account = { number, password: `secret-${number}`, registrar: installation.sip };
  const baresip = await startBaresip({ ...account, codecs, transport: 'udp', source, heard });
  t.teardown(() => baresip.quit());
  await installation.registered(number);
  return { ...baresip, number, heard };
}

/** The first channel of a WAV of 16 bits, at 8 kHz: tones do not mind that samples are left out. */
function soundOf(wav: Buffer): Int16Array {
  const [channels, rate] = [wav.readUInt16LE(22), wav.readUInt32LE(24)];
  const step = 2 * channels * (rate / RATE_HZ);
  return Int16Array.from({ length: Math.floor((wav.length - 44) / step) }, (_, at) =>
    wav.readInt16LE(44 + at * step),
  );
}

/** What a phone has heard, without its first fifth of a second, in which a codec finds its pitch. */
function heardIn(folder: string): Int16Array {
  const [file = ''] = readdirSync(folder).filter((name) => name.endsWith('-dec.wav'));
  return soundOf(readFileSync(join(folder, file))).subarray(RATE_HZ / 5);
}

/** The segment of a DN's recording, which was set aside. */
function keptSegment(dn: string) {
  const failed = join(installation.config.paths.spool, 'failed');
  for (const id of readdirSync(failed)) {
    const parsed = parseFacts(readFileSync(join(failed, id, FACTS_FILE), 'utf8'));
    if ('problem' in parsed || !parsed.facts.opened.metadata?.parties.some((party) => party.dn === dn))
      continue;
    return { facts: parsed.facts, packets: [...openCapture(join(failed, id, CAPTURE_FILE))] };
  }
  throw new Error(`no segment of ${dn} is kept`);
}

/** The payloads that came to a port, made audible. */
function played(
  packets: ReturnType<typeof keptSegment>['packets'],
  port: number,
  decoder: string[],
): Int16Array {
  const speech = packets.flatMap(({ destination, payload }) => {
    const rtp = destination.port === port ? readRtp(payload) : undefined;
    return rtp === undefined ? [] : [rtp.payload];
  });
  const output = ['-f', 's16le', '-ac', '1', '-ar', `${RATE_HZ}`, '-'];
  const { stdout } = spawnSync('ffmpeg', ['-v', 'error', ...decoder, '-i', '-', ...output], {
    input: Buffer.concat(speech),
  });
  return Int16Array.from({ length: stdout.length >> 1 }, (_, at) => stdout.readInt16LE(2 * at));
}

for (const { codec, encoding, decoder } of CODECS)
  t.test(codec, { skip: noBaresip, timeout: 60_000 }, async (t) => {
    const [agent, customer] = await Promise.all([
      newBaresip(t, agentFile, codec, true),
      newBaresip(t, customerFile, codec, false),
    ]);
    customer.dial(agent.number);
    await Promise.all([agent.event('CALL_ESTABLISHED'), customer.event('CALL_ESTABLISHED')]);
    await relayed(installation, agent.number, SPOKEN);
    agent.hangUp();
    await customer.event('CALL_CLOSED');
    const row = await installation.until(`${codec} is listed`, async () =>
      (await installation.recordings(0)).find(({ dn }) => dn === agent.number),
    );
    t.match(row, { state: 'failed', reason: `no decoder for ${encoding}`, path: null });
    const catalog = openCatalogReader(installation.config.paths.catalog);
    t.teardown(() => catalog.close());
    t.ok(
      catalog.alarms().some(({ subject, message }) => subject.includes(row.id) && message.includes(encoding)),
      'with an alarm',
    );
    const [agentHeard, customerHeard] = [heardIn(agent.heard), heardIn(customer.heard)];
    t.ok(shareOf(CUSTOMER_HZ, agentHeard) > 0.9, `the agent heard it: ${shareOf(CUSTOMER_HZ, agentHeard)}`);
    t.ok(shareOf(AGENT_HZ, customerHeard) > 0.9, `so did the customer: ${shareOf(AGENT_HZ, customerHeard)}`);
    const { facts, packets } = keptSegment(agent.number);
    t.match(facts.opened.streams, [{ formats: [{ encoding }] }, { formats: [{ encoding }] }]);
    const { a = 0, b = 0 } = facts.closed?.packets ?? {};
    t.ok(
      a >= SPOKEN && b >= SPOKEN && packets.length === a + b,
      `${a} and ${b} packets, ${packets.length} captured`,
    );
    for (const { label, rtpPort } of decoder === undefined ? [] : facts.opened.streams) {
      const share = shareOf(label === 'a' ? CUSTOMER_HZ : AGENT_HZ, played(packets, rtpPort, decoder ?? []));
      t.ok(share > 0.9, `the capture of ${label} is the sound: ${share}`);
    }
  });
