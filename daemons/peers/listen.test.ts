// grec listen: a call between two phones is heard while they speak, through a pause, by somebody who stops reading, and to its end.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../../src/log.ts';
import { MULAW_TO_LINEAR } from '../../src/rtp/g711.ts';
import { createPhone, type Phone } from '../../src/testing/phone.ts';
import { install } from './installation.ts';

const GREC = join(import.meta.dirname, '..', '..', 'bin', 'grec.ts');
const RATE = 8000;
const installation = await install();
t.teardown(() => installation.stop());
t.jobs = 3;

const noise = (seed: string, seconds: number) =>
  Buffer.concat(
    Array.from({ length: seconds * 250 }, (_, at) => createHash('sha256').update(`${seed}${at}`).digest()),
  );

async function phone(t: Test, number: string, record: boolean): Promise<Phone> {
  await installation.addDn(number, 'secret', { record });
  const made = await createPhone({
    number,
    password: 'secret',
    registrar: { ...installation.sip, protocol: 'udp' },
    listenHost: '127.0.0.1',
    log: silentLogger(),
    encodings: ['PCMU'],
  });
  t.teardown(() => made.close());
  await made.register();
  return made;
}

/** A call from 7002 to 7001, which is recorded. */
async function call(t: Test, caller: string, agent: string) {
  const [from, to] = [await phone(t, caller, false), await phone(t, agent, true)];
  const outgoing = await from.call(agent);
  const incoming = await to.nextCall();
  await outgoing.outcome;
  await installation.until(`${agent} is recorded`, async () => {
    const path = `/calls?dn=${agent}`;
    const { calls } = await installation.ask<{ calls: { recordingState: string }[] }>(
      'grec-sipd',
      'GET',
      path,
    );
    return calls[0]?.recordingState === 'recording' ? true : undefined;
  });
  return { outgoing, incoming };
}

async function idOf(dn: string): Promise<string> {
  const { calls } = await installation.ask<{ calls: { call: string }[] }>(
    'grec-sipd',
    'GET',
    `/calls?dn=${dn}`,
  );
  return calls[0]?.call ?? '';
}

interface Listener {
  child: ChildProcess;
  /** The samples of a channel so far. */
  channel(index: 0 | 1): Int16Array;
  begun: Promise<unknown>;
  ended: Promise<unknown>;
}

function listen(t: Test, asked: string): Listener {
  const child = spawn(process.execPath, [GREC, '--config', installation.configFile, 'listen', asked], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return {
    child,
    channel: (index) => {
      const bytes = Buffer.concat(chunks).subarray(44);
      return Int16Array.from({ length: bytes.length >> 2 }, (_, at) => bytes.readInt16LE(at * 4 + index * 2));
    },
    begun: once(child.stdout ?? child, 'data'),
    ended: once(child, 'close'),
  };
}

/** Whether half a second of what was sent is there, sample by sample. */
function hears(channel: Int16Array, sent: Buffer): boolean {
  const samples = Int16Array.from(sent, (byte) => MULAW_TO_LINEAR[byte] ?? 0);
  const heard = Buffer.from(channel.buffer, channel.byteOffset, channel.byteLength);
  for (let at = 0; at + RATE / 2 <= samples.length; at += RATE / 4) {
    const part = samples.subarray(at, at + RATE / 2);
    if (heard.indexOf(Buffer.from(part.buffer, part.byteOffset, part.byteLength)) >= 0) return true;
  }
  return false;
}

function journal(): { type: string; by?: string; call?: string; seconds?: number }[] {
  const folder = join(installation.config.paths.journal, 'grec-procd');
  return readdirSync(folder).flatMap((file) =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line)),
  );
}

t.test('both are heard, each on its channel; it ends with the call, and the journal knows', async (t) => {
  const { outgoing, incoming } = await call(t, '7102', '7101');
  const id = await idOf('7101');
  const listener = listen(t, '7101');
  await listener.begun;
  const [ofCustomer, ofAgent] = [noise('customer', 2), noise('agent', 2)];
  await Promise.all([outgoing.speak(ofCustomer), incoming.speak(ofAgent)]);
  await installation.until('both are heard', async () =>
    hears(listener.channel(0), ofAgent) && hears(listener.channel(1), ofCustomer) ? true : undefined,
  );
  t.notOk(hears(listener.channel(0), ofCustomer));
  await outgoing.hangup();
  t.same(await listener.ended, [0, null]);
  const [started, ended] = await installation.until('the end is in the journal', async () => {
    const events = journal().filter(({ type, call }) => type.startsWith('listening.') && call === id);
    return events.length === 2 ? events : undefined;
  });
  t.match([started?.type, ended?.type], ['listening.started', 'listening.ended']);
  t.ok(started?.by && started.call === ended?.call && (ended?.seconds ?? 0) >= 1);
});

t.test('a pause is silence, and what is said in it is not heard', async (t) => {
  const { outgoing, incoming } = await call(t, '7112', '7111');
  const { calls } = await installation.ask<{ calls: { call: string }[] }>(
    'grec-sipd',
    'GET',
    '/calls?dn=7111',
  );
  const id = calls[0]?.call ?? '';
  const listener = listen(t, id.slice(-8));
  await listener.begun;
  const ask = (operation: string) =>
    installation.ask('grec-sipd', 'POST', `/calls/${id}/recording`, { operation, by: 'test' });
  await ask('pause');
  const before = listener.channel(0).length;
  const secret = noise('secret', 1);
  await Promise.all([outgoing.speak(secret), incoming.speak(secret)]);
  await installation.until('the silence goes on', async () =>
    listener.channel(0).length > before + RATE ? true : undefined,
  );
  await ask('resume');
  const later = noise('later', 2);
  await incoming.speak(later);
  await installation.until('it is heard again', async () =>
    hears(listener.channel(0), later) ? true : undefined,
  );
  t.notOk(hears(listener.channel(0), secret) || hears(listener.channel(1), secret));
  await outgoing.hangup();
  await listener.ended;
  t.pass('it ends');
});

t.test('one who stops reading hurts nobody; who is asked for and is not there is told', async (t) => {
  const { outgoing, incoming } = await call(t, '7122', '7121');
  const slow = listen(t, '7121');
  await slow.begun;
  slow.child.stdout?.pause();
  const other = listen(t, '7121');
  await other.begun;
  const ofAgent = noise('agent', 2);
  await incoming.speak(ofAgent);
  await installation.until('the other one hears', async () =>
    hears(other.channel(0), ofAgent) ? true : undefined,
  );
  slow.child.kill('SIGKILL');
  const id = await idOf('7121');
  await installation.until('the slow one is gone', async () =>
    journal().some(({ type, call }) => type === 'listening.ended' && call === id) ? true : undefined,
  );
  await outgoing.hangup();
  await other.ended;
  await t.rejects(installation.ask('grec-procd', 'GET', '/listen/7999'), { code: 'CALL_UNKNOWN' });
  await t.rejects(installation.ask('grec-procd', 'GET', '/listen/%00'), { code: 'CALL_UNKNOWN' });
});
