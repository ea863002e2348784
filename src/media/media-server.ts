// The media server: ng requests in, relayed packets and spooled segments out. It never decodes audio, never opens the
// catalog and never waits for the processor.
import { mkdirSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { availableParallelism } from 'node:os';
import { type Config, machineName } from '../config.ts';
import { loadConsentTone } from '../consent-tone.ts';
import type { DaemonContext, RunningDaemon } from '../daemon.ts';
import { GrecError, messageOf } from '../errors.ts';
import { createNgServer, type NgServer } from '../ng/server.ts';
import { openJournal } from '../spool/journal.ts';
import { readSpoolKeys } from '../spool/spool-keys.ts';
import { VERSION } from '../version.ts';
import type { CallContext } from './call.ts';
import { type Calls, createCalls, PONG } from './calls.ts';
import { ConsentTones } from './consent-tones.ts';
import type { PacketEngine } from './io/engine.ts';
import { startWorkerEngine, type WorkerEngineOptions } from './io/worker-engine.ts';
import { createPortPool } from './port-pool.ts';
import { startRepair } from './repair.ts';
import { SpoolHealth } from './spool-health.ts';

const MOST_DEFAULT_WORKERS = 4;

/**
 * Starts the media server, and the repair of what an earlier life left in the spool.
 * @param startEngine what relays; relay workers as a rule
 * @throws GrecError CONFIG_INVALID, SPOOL_KEY_UNUSABLE, STATE_UNUSABLE, PORT_IN_USE, PORT_UNUSABLE, ENGINE_UNUSABLE
 */
export async function startMediaServer(
  { config, log }: DaemonContext,
  startEngine: (options: WorkerEngineOptions) => Promise<PacketEngine> = startWorkerEngine,
): Promise<RunningDaemon> {
  const { mediad, paths } = config;
  let { recording } = config;
  const consent = new ConsentTones(loadConsentTone(config));
  const spoolKeys = readSpoolKeys(paths.encryption.spoolKey);
  prepareSpool(paths.spool);
  const journal = openJournal({ directory: paths.journal, daemon: 'grec-mediad', log });
  journal.append({ type: 'daemon.started', version: VERSION, pid: process.pid });
  // It lives from now on, and says so; whoever wants more waits until its workers do.
  const started = Promise.withResolvers<Calls>();
  const { host, port } = mediad.ng;
  const ng: NgServer = await createNgServer({
    host,
    port,
    log,
    async handle(request, from) {
      if (request.command === 'ping') return PONG;
      return (await started.promise).handle(request, (event) => ng.tell(from, event));
    },
  }).catch(async (thrown: unknown) => {
    await journal.close();
    throw thrown;
  });
  const engine = await startEngine({
    workers: mediad.workers ?? defaultWorkers(),
    engine: mediad.engine,
    flushIntervalMs: mediad['flush-interval'],
    log,
  }).catch(async (thrown: unknown) => {
    await ng.close();
    await journal.close();
    throw thrown;
  });
  const repair = startRepair({ spool: paths.spool, spoolKeys, journal, log });
  const stopping = new AbortController();
  const minFreeBytes = mediad['spool-min-free'] * 1e6;
  const health = new SpoolHealth({ spool: paths.spool, minFreeBytes, log });
  const context: CallContext = {
    engine,
    ports: createPortPool(mediad.ports),
    consent,
    isDtmfDropped: () => recording.dtmf === 'drop',
    addresses: ownAddresses(mediad),
    spool: paths.spool,
    spoolKeys,
    host: machineName(),
    journal,
    finishing: new Set(),
    health,
    stopping: stopping.signal,
    log,
  };
  const calls = createCalls(context);
  await tryAddresses(context).catch(async (thrown: unknown) => {
    health.stop();
    await ng.close();
    await calls.close('shutdown');
    await engine.close();
    await repair.stop();
    await journal.close();
    throw thrown;
  });
  started.resolve(calls);
  const { ports, finishing } = context;

  return {
    async status() {
      await engine.refresh();
      return {
        engine: engine.name,
        ...engine.describe(),
        ng: { address: host, port: ng.port, ...ng.counters },
        media: { address: context.addresses.join(', '), portsUsed: ports.used, portsFree: ports.free },
        calls: calls.size,
        recording: calls.recording,
        finishing: finishing.size,
        repairing: repair.waiting,
        packets: structuredClone(engine.counters),
        spool: { directory: paths.spool, ...health.state },
        journal: { pending: journal.pending, lost: journal.lost },
      };
    },
    reload(read) {
      consent.use(loadConsentTone(read));
      recording = read.recording;
    },
    async stop() {
      consent.stop();
      health.stop();
      await ng.close();
      await calls.close('shutdown');
      stopping.abort();
      await Promise.all(finishing);
      await engine.close();
      await repair.stop();
      journal.append({ type: 'daemon.stopped' });
      await journal.close();
    },
  };
}

function prepareSpool(spool: string): void {
  try {
    mkdirSync(spool, { recursive: true, mode: 0o750 });
  } catch (thrown) {
    throw new GrecError('STATE_UNUSABLE', `cannot use the spool ${spool}: ${messageOf(thrown)}`, {
      hint: 'give the state directory to the user that runs grec',
      cause: thrown,
    });
  }
}

/** Binds one pair of each, so that a wrong address is told at the start and not by the first call. */
async function tryAddresses({ engine, ports, addresses }: CallContext): Promise<void> {
  const shard = await engine.shard(() => undefined);
  for (const address of addresses) {
    const leg = await ports.open((port) => shard.openLeg(address, port));
    await leg.close();
    ports.release(leg.rtpPort);
  }
  shard.release();
}

/** One for each processor but one, which signalling and the disk have; more than a few are of no use. */
function defaultWorkers(): number {
  return Math.min(MOST_DEFAULT_WORKERS, Math.max(1, availableParallelism() - 1));
}

/** Of each family one: an IPv6 `address` needs no other. */
function ownAddresses({ address, 'address-ipv6': second }: Config['mediad']): CallContext['addresses'] {
  return second === undefined || isIPv6(address) ? [address] : [address, second];
}
