// Starts grec-sipd: opens what a switch stands on, and leaves nothing open when one of the parts cannot be opened.
import { auditLog, type Note } from '../audit/by-daemon.ts';
import { noteConfiguration } from '../audit/configuration.ts';
import type { DaemonContext, RunningDaemon } from '../daemon.ts';
import type { Logger } from '../log.ts';
import { createNgClient } from '../ng/client.ts';
import type { NgEvent } from '../ng/reply.ts';
import { type Journal, openJournal } from '../spool/journal.ts';
import { VERSION } from '../version.ts';
import { CallStore } from './call-store.ts';
import { Certificate } from './certificate.ts';
import { switchRoutes } from './control-routes.ts';
import { DnStore } from './dn-store.ts';
import type { MediaServersOptions } from './media-servers.ts';
import { rtpengineClient } from './rtpengine-client.ts';
import { Strategist } from './strategist.ts';
import { Switch } from './switch.ts';
import { statusOf } from './switch-status.ts';
import { Trunks } from './trunks.ts';

/** What has been opened so far, to be closed again in the reverse order when something later cannot be opened. */
class Opened {
  readonly #closers: (() => unknown)[] = [];

  add<T>(part: T, close: (part: T) => unknown): T {
    this.#closers.push(() => close(part));
    return part;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }
}

/** Starts grec-sipd. */
export async function startSwitch({ config, log }: DaemonContext): Promise<RunningDaemon> {
  const opened = new Opened();
  try {
    return await startWith(opened, { config, log });
  } catch (thrown) {
    await opened.close();
    throw thrown;
  }
}

async function startWith(opened: Opened, { config, log }: DaemonContext): Promise<RunningDaemon> {
  const certificate = opened.add(new Certificate(config, log), (part) => part.close());
  const trunks = new Trunks(config, log);
  const audit = { note: auditLog(config.paths.audit), log, daemon: 'grec-sipd' };
  const onStrategy = () => void noteConfiguration(audit, config, 'strategy');
  const strategist = opened.add(new Strategist(config, log, onStrategy), (part) => part.close());
  const journal = opened.add(
    await openJournal({ directory: config.paths.journal, daemon: 'grec-sipd', log }),
    (part) => part.close(),
  );
  const dnTrouble = troubleWith('the DN database', log);
  const store = opened.add(new DnStore(config.paths.switchDb, dnTrouble), (part) => part.close());
  const callTrouble = troubleWith('the database of calls', log);
  const callStore = opened.add(
    new CallStore({
      file: config.paths.callsDb,
      onTrouble: callTrouble,
      onKept: (call) => store.noteKept(call),
    }),
    (part) => part.close(),
  );
  let running: Switch | undefined;
  const clients = await mediaClients(opened, { config, log }, (event) => running?.onMediaEvent(event));
  running = new Switch({ config, store, strategist, certificate, trunks, journal, clients, callStore, log });
  opened.add(running.mediaServers, (part) => part.close());
  warnOfForeignRealms(store, running.realm, log);
  await running.listen(config);
  void noteConfiguration(audit, config, 'start');
  return begin(running, journal, audit.note);
}

function mediaClients(
  opened: Opened,
  { config, log }: DaemonContext,
  onEvent: (event: NgEvent) => void,
): Promise<MediaServersOptions['clients']> {
  const { server, timeout: timeoutMs, engine } = config.media;
  return Promise.all(
    server.map(async (address) => {
      const client = await createNgClient({ ...address, timeoutMs, log, onEvent });
      opened.add(client, (part) => part.close());
      return { address, ng: engine === 'rtpengine' ? rtpengineClient(client) : client };
    }),
  );
}

function begin(running: Switch, journal: Journal, note: Note): RunningDaemon {
  journal.append({ type: 'daemon.started', version: VERSION, pid: process.pid });
  running.takeUpCalls();
  running.startTrunks();
  return {
    routes: switchRoutes(running, note),
    status: () => statusOf(running),
    reload: (next) => running.reload(next),
    stop: () => running.stop(),
  };
}

/** Says once that a database takes nothing, and once that it takes all again. */
function troubleWith(what: string, log: Logger): (reason: string | undefined) => void {
  const hint = 'free space on its disk; what it misses is kept in memory until then';
  return (reason) => {
    if (reason === undefined) log.info(`${what} is written again`);
    else log.error({ alarm: 'switch-db-write', hint }, `cannot write ${what}: ${reason}`);
  };
}

/** A password's hash holds for one realm only (RFC 7616 section 3.4.2). */
function warnOfForeignRealms(store: DnStore, realm: string, log: Logger): void {
  const foreign = store.dns().filter((dn) => dn.realm !== null && dn.realm !== realm);
  if (foreign.length === 0) return;
  log.warn(
    { dns: foreign.map((dn) => dn.number) },
    `the passwords of ${foreign.length} DNs were set for another [sip] realm: these DNs cannot register until they are set again`,
  );
}
