// Codecs other than G.711, spoken by real phones in recorded calls: heard as they were said, and recorded as they were heard.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readMetadata } from '../../src/archive/read.ts';
import { noBaresip, startBaresip } from './baresip.ts';
import { install, readChannels } from './installation.ts';
import { relayed } from './relayed.ts';
import { millisecondsOf, newTones, shareOf } from './tones.ts';

const AGENT_HZ = 440;
const CUSTOMER_HZ = 1000;
/** Of the tones and of what they are measured in. */
const RATE_HZ = 8000;
/** Packets of each party; more than a second of any codec here. */
const SPOKEN = 60;

/** As baresip names them, and as recordings do. */
const CODECS = [
  { codec: 'G722/16000/1', encoding: 'G722' },
  { codec: 'opus/48000/2', encoding: 'OPUS' },
  { codec: 'AMR/8000/1', encoding: 'AMR' },
  { codec: 'L16/16000/1', encoding: 'L16' },
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

for (const { codec, encoding } of CODECS)
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
    t.match(row, { state: 'complete', reason: null });
    const [agentHeard, customerHeard] = [heardIn(agent.heard), heardIn(customer.heard)];
    t.ok(shareOf(CUSTOMER_HZ, agentHeard) > 0.9, `the agent heard it: ${shareOf(CUSTOMER_HZ, agentHeard)}`);
    t.ok(shareOf(AGENT_HZ, customerHeard) > 0.9, `so did the customer: ${shareOf(AGENT_HZ, customerHeard)}`);
    const folder = join(installation.config.paths.archive, row.path ?? 'missing');
    const { quality } = readMetadata(folder);
    t.match(quality, [{ codec: encoding }, { codec: encoding }]);
    const [left, right] = readChannels(join(folder, 'audio.wav'));
    for (const [hz, recorded] of [
      [AGENT_HZ, left],
      [CUSTOMER_HZ, right],
    ] as const) {
      const milliseconds = millisecondsOf(hz, recorded);
      t.ok(milliseconds > SPOKEN * 20 * 0.8, `${milliseconds} ms of ${hz} Hz are recorded`);
    }
  });
