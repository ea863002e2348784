// Web Services with real daemons and phones: an agent controls recording by HTTP, hears it, and what becomes of grec-webd is nothing to calls.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startDaemons } from '../../src/cli/daemons-runner.ts';
import type { Role } from '../../src/web/access/rights.ts';
import { AccessStore } from '../../src/web/access/store.ts';
import { hashToken, makeToken, makeTokenId } from '../../src/web/access/tokens.ts';
import { install } from './installation.ts';
import { noise } from './noise.ts';
import { connect, hear, newPhone } from './phones.ts';

const installation = await install({ toml: '[web]\nenabled = true\nlisten = "127.0.0.1:0"\n' });
t.teardown(() => installation.stop());

interface Answered {
  status: number;
  body: Record<string, unknown>;
  bytes: Buffer;
}

/** A user with a token. @returns what asks in their name */
function newUser(name: string, role: Role, dns: string[]) {
  const store = new AccessStore(installation.config.paths.webDb);
  store.addUser({ name, role, place: '/', dns, password: undefined }, 1);
  const token = makeToken();
  const row = {
    id: makeTokenId(),
    user: name,
    name: '',
    scopes: null,
    createdAt: 1,
    expiresAt: Date.now() + 600_000,
  };
  store.addToken(row, hashToken(token) ?? '');
  store.close();
  return async (method: string, path: string, body?: object): Promise<Answered> => {
    const { listen } = await installation.ask<{ listen: string }>('grec-webd', 'GET', '/status');
    const answer = await fetch(`http://${listen}/api/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    const isJson = /json/.test(answer.headers.get('content-type') ?? '');
    return { status: answer.status, body: isJson ? JSON.parse(bytes.toString()) : {}, bytes };
  };
}

/** Killed, as by a fault of its own. */
async function killWebd(): Promise<void> {
  const { pid } = await installation.ask<{ pid: number }>('grec-webd', 'GET', '/status');
  process.kill(pid, 'SIGKILL');
  await installation.daemons.died;
}

async function startWebd(t: Test): Promise<void> {
  const { configFile } = installation;
  const daemonsDirectory = join(import.meta.dirname, '..');
  const again = startDaemons({ daemonsDirectory, configFile, names: ['grec-webd'], onLine: () => undefined });
  t.teardown(() => again.stop());
  await again.ready;
}

t.test(
  'an agent starts, pauses and resumes by HTTP; grec-webd dies amid the call; the recording is whole, and heard',
  { timeout: 60_000 },
  async (t) => {
    const [caller, agent] = [await newPhone(t, installation), await newPhone(t, installation)];
    const ask = newUser('ann', 'agent', [agent.number]);
    const other = newUser('bob', 'agent', ['7999']);
    t.match(await ask('GET', '/ready'), { status: 200, body: { status: 'ok' } });
    const [out, into] = await connect(caller, agent);
    const spoken = Promise.all([out.speak(noise('web caller', 6)), into.speak(noise('web agent', 6))]);
    const { body } = await ask('GET', '/me/calls');
    const [call] = body['calls'] as { id: string; capabilities: string[]; recordingState: string }[];
    t.match(call, { recordingState: 'Stopped', capabilities: ['StartCallRecording'] });
    const request = (operationName: string, reason: string) =>
      ask('POST', `/me/calls/${call?.id}`, { operationName, reason });
    t.equal((await other('GET', `/me/calls/${call?.id}`)).status, 404);
    t.equal(
      (await other('POST', `/me/calls/${call?.id}`, { operationName: 'StartCallRecording' })).status,
      404,
    );
    t.match(await request('StartCallRecording', 'asked'), {
      status: 200,
      body: { call: { recordingState: 'Recording' } },
    });
    await hear(into, 40);
    t.match(await request('PauseCallRecording', 'card number'), {
      status: 200,
      body: { call: { recordingState: 'Paused' } },
    });
    t.match(await request('PauseCallRecording', 'again'), { status: 200 }, 'the same again changes nothing');
    t.match(await request('StartCallRecording', 'no'), { status: 409 });
    t.match(await request('ResumeCallRecording', 'done'), {
      status: 200,
      body: { call: { recordingState: 'Recording' } },
    });
    await hear(into, 20);
    await killWebd();
    await hear(into, 40);
    await spoken;
    await out.hangup();
    const [row] = await installation.recordings(1);
    t.equal(row?.state, 'complete');
    await startWebd(t);
    const listed = await ask('GET', `/recordings?recordDN=${agent.number}`);
    t.match(listed.body, { recordings: [{ id: row?.id, state: 'complete' }], next: null });
    const one = await ask('GET', `/recordings/${row?.id}`);
    t.match(one.body, { recording: { masked: [{ reason: 'card number' }] } });
    const { playPath } = (one.body as { recording: { mediaFiles: { playPath: string }[] } }).recording
      .mediaFiles[0] ?? { playPath: '' };
    const audio = await ask('GET', playPath.replace('/api/v2', ''));
    t.equal(audio.status, 200);
    const archived = join(installation.config.paths.archive, row?.path ?? '', 'audio.wav');
    t.ok(audio.bytes.equals(readFileSync(archived)), 'every byte');
    t.equal((await other('GET', `/recordings/${row?.id}`)).status, 404);
    t.same((await other('GET', '/recordings')).body['recordings'], []);
  },
);
