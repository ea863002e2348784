// A relay worker: a process of its own that relays and captures the calls it is given, and nothing else. It ends with its parent,
// and takes only its own calls with it when it ends before that.
import { GrecError, messageOf } from '../../errors.ts';
import { adoptClock } from '../../spool/clock.ts';
import { chooseEngine } from './choose.ts';
import { writersGiveWay } from './give-way.ts';
import { LocalEngine } from './local-engine.ts';
import type { Order, Report, WorkerSettings } from './worker-protocol.ts';
import { WorkerTables } from './worker-tables.ts';

let reports: Report[] = [];

/** Everything that is told in one turn goes in one message. */
function report(one: Report): void {
  if (reports.push(one) > 1) return;
  queueMicrotask(() => {
    const all = reports;
    reports = [];
    // Its parent is gone when there is no channel: it is about to end.
    if (process.connected) process.send?.(all, () => undefined);
  });
}

async function start({
  engine: wanted,
  except,
  clockOrigin,
  flushIntervalMs,
}: WorkerSettings): Promise<void> {
  adoptClock(clockOrigin);
  const { io, engine, reason } = await chooseEngine(wanted, except, (tried) =>
    report({ tell: 'trying', engine: tried }),
  );
  const tables = new WorkerTables(new LocalEngine(io, flushIntervalMs), report);
  process.on('message', (orders: Order[]) => {
    for (const order of orders) void obey(tables, order);
  });
  writersGiveWay();
  report({ tell: 'ready', engine, reason });
}

function giveUp(thrown: unknown): void {
  const hint = thrown instanceof GrecError ? thrown.hint : undefined;
  const told: Report[] = [{ tell: 'unusable', message: messageOf(thrown), hint }];
  process.send?.(told, () => process.exit(1));
}

async function obey(tables: WorkerTables, { id, ...command }: Order): Promise<void> {
  try {
    const value = await tables.obey(command);
    if (id !== undefined) report({ tell: 'answer', id, value });
  } catch (thrown) {
    if (id === undefined) return;
    const { code = 'INTERNAL', hint = undefined } = thrown instanceof GrecError ? thrown : {};
    report({ tell: 'refusal', id, code, message: messageOf(thrown), hint });
  }
}

// A terminal or a service manager tells the whole group of processes to end; the media server still needs this one to drain.
process.on('SIGTERM', () => undefined);
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
process.once('disconnect', () => process.exit(0));
process.once('message', (settings: WorkerSettings) => void start(settings).catch(giveUp));
