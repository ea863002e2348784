// What Web Services stand on in tests: recordings in a signed archive, and the control sockets of a processor and a switch.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Metadata } from '../archive/metadata.ts';
import { stageRecording } from '../archive/write.ts';
import { auditLog } from '../audit/by-daemon.ts';
import { openCatalog } from '../catalog/catalog.ts';
import { metadata, stereoWav } from '../cli/fixtures/state.ts';
import type { Config } from '../config.ts';
import { type ControlRequest, serveControl, socketOf } from '../control.ts';
import { BUILT_IN_DEFAULTS } from '../dn-settings.ts';
import { GrecError } from '../errors.ts';
import { rowOfMetadata } from '../indexing/row-of-metadata.ts';
import { silentLogger } from '../log.ts';
import { LifeCycle } from '../processing/life-cycle.ts';
import { Agents } from '../switch/agents.ts';
import { auditedRoutes } from '../switch/audited-routes.ts';
import { dnRoutes } from '../switch/dn-routes.ts';
import { DnStore } from '../switch/dn-store.ts';

/** Of ann's 7001; of 7002, whom sue does not supervise; encrypted, of 7001; failed, of 7001. */
export const MINE = '019aa000-0000-7000-8000-00001a2b3c4d';
export const OTHERS = '019aa000-0000-7000-8000-00001a2b3c4e';
export const SEALED = '019aa000-0000-7000-8000-00001a2b3c4f';
export const FAILED = '019aa000-0000-7000-8000-00001a2b3c50';
export const ABSENT = '019aa000-0000-7000-8000-0000aaaaaaaa';
export const MY_CALL = 'c0ffee00-0000-4000-8000-000000000001';
export const OTHER_CALL = 'c0ffee00-0000-4000-8000-000000000002';

const SIGNED = new Date(Date.UTC(2026, 0, 31, 9, 5, 7, 250));

async function archive(config: Config, change: Partial<Metadata>, audio: string): Promise<void> {
  const described = { ...metadata(), ...change };
  const { archive: directory, signingKey, catalog: file } = config.paths;
  const staging = await stageRecording({ directory, signingKey }, described.id, SIGNED.getTime());
  writeFileSync(join(staging.directory, audio), stereoWav());
  const path = await staging.publish(described);
  const catalog = openCatalog(file);
  catalog.putRecording(rowOfMetadata(described, path), [], Date.now());
  catalog.close();
}

export async function archiveAll(config: Config): Promise<void> {
  await archive(config, { id: MINE }, 'audio.wav');
  const later = (minutes: number) => new Date(SIGNED.getTime() + minutes * 60_000).toISOString();
  await archive(config, { id: OTHERS, recordDn: '7002', startTime: later(1) }, 'audio.wav');
  const [file] = metadata().mediaFiles;
  if (file === undefined) throw new Error('the fixture has a media file');
  const encryption = {
    format: 'CMS AuthEnvelopedData, AES-256-GCM' as const,
    size: 64_044,
    sha256: '0'.repeat(64),
    recipients: [{ subject: 'CN=legal', fingerprint: '0'.repeat(64) }],
  };
  const mediaFiles = [{ ...file, mediaPath: 'audio.wav.cms', encryption }];
  await archive(config, { id: SEALED, startTime: later(2), mediaFiles }, 'audio.wav.cms');
  const catalog = openCatalog(config.paths.catalog);
  const failed = {
    ...rowOfMetadata({ ...metadata(), id: FAILED }, ''),
    startTime: SIGNED.getTime() + 180_000,
  };
  catalog.putRecording(
    { ...failed, path: null, size: 0, duration: 0, state: 'failed', reason: 'no media' },
    [],
    1,
  );
  catalog.close();
}

/** The part of grec-procd that holds and labels. */
export async function withProcessor(t: Test, config: Config): Promise<void> {
  const catalog = openCatalog(config.paths.catalog);
  const note = auditLog(config.paths.audit);
  const log = silentLogger();
  const lifeCycle = new LifeCycle({ config, catalog, log, isMaking: () => false, note, now: Date.now });
  const server = await serveControl(socketOf(config, 'grec-procd'), {
    ...lifeCycle.routes,
    'GET /status': () => ({}),
  });
  t.teardown(() => {
    server.close();
    catalog.close();
  });
}

/** The DNs of a switch as they are, and calls that only answer. @returns what was asked of calls */
export async function withSwitch(t: Test, config: Config): Promise<ControlRequest[]> {
  const store = new DnStore(config.paths.switchDb);
  const agents = new Agents(store, () => undefined);
  const routes = dnRoutes({ store, agents, realm: 'grec', defaults: BUILT_IN_DEFAULTS, callsAt: () => 0 });
  for (const number of ['7001', '7002'])
    store.saveDn({ number, name: null, ha1: null, realm: null, record: true } as Parameters<
      DnStore['saveDn']
    >[0]);
  const asked: ControlRequest[] = [];
  const server = await serveControl(socketOf(config, 'grec-sipd'), {
    ...auditedRoutes(routes, auditLog(config.paths.audit)),
    'GET /status': () => ({}),
    'GET /calls': () => ({ calls: [call(MY_CALL, '7001'), call(OTHER_CALL, '7002')] }),
    // A part is enough for the switch.
    'GET /calls/:call': ({ params }) => {
      const word = String(params['call']);
      if (OTHER_CALL.startsWith(word)) return call(OTHER_CALL, '7002');
      if (MY_CALL.startsWith(word)) return call(MY_CALL, '7001');
      throw new GrecError('CALL_UNKNOWN', 'there is no such call');
    },
    'POST /calls/:call/recording': (request) => {
      asked.push(request);
      const { operation } = request.body as { operation: string };
      if (operation === 'resume') throw new GrecError('RECORDING_STATE', 'it is not paused');
      return { ...call(String(request.params['call']), '7001'), recordingState: 'paused', changed: true };
    },
  });
  t.teardown(() => {
    server.close();
    store.close();
  });
  return asked;
}

function call(id: string, number: string) {
  return {
    call: id,
    sessionId: 'a1b2c3d4e5f60718293a4b5c6d7e8f90',
    from: '+4930123456',
    to: number,
    state: 'answered',
    agents: [],
    consult: false,
    held: [],
    anchored: true,
    recording: MINE,
    recordingState: 'recording',
    operations: ['pause', 'stop'],
    reason: 'DN 7001 has record=true',
    startedAt: SIGNED.toISOString(),
  };
}
