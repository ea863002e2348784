// `grec alarms`: those of the catalog, and a test of who is told.
import { existsSync } from 'node:fs';
import type { Alarms } from '../catalog/reader.ts';
import type { AlarmRow } from '../catalog/rows.ts';
import { askDaemon, type DaemonName, socketOf } from '../control.ts';
import { GrecError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { daemonsOf } from './daemons-runner.ts';
import { EXIT } from './exit-codes.ts';
import { localTime } from './table.ts';

const SHOWN = 50;
const MOST = 10_000;

export interface AlarmsOptions {
  limit?: string;
  all?: boolean;
}

/** The last alarms that are open, or of all, and how many there are; before the first start there is no catalog, and no alarm. */
export async function readAlarms(
  { config }: Pick<CliContext, 'config'>,
  limit: number,
  which: Alarms = 'open',
): Promise<{ alarmCount: number; alarms: AlarmRow[] }> {
  if (!existsSync(config.paths.catalog)) return { alarmCount: 0, alarms: [] };
  const { openCatalogReader } = await import('../catalog/catalog.ts');
  const catalog = openCatalogReader(config.paths.catalog);
  try {
    return { alarmCount: catalog.alarmCount(which), alarms: catalog.alarms(limit, which) };
  } finally {
    catalog.close();
  }
}

export async function alarms(
  context: CliContext,
  { limit = `${SHOWN}`, all = false }: AlarmsOptions,
): Promise<number> {
  const count = Number(limit);
  if (!Number.isInteger(count) || count < 1 || count > MOST)
    throw new GrecError('USAGE', `--limit ${limit} is no number of alarms`, {
      hint: `give one from 1 to ${MOST}`,
    });
  const found = await readAlarms(context, count, all ? 'all' : 'open');
  if (context.json) {
    context.printJson(found);
    return EXIT.ok;
  }
  const rows = found.alarms.map(({ at, severity, subject, message, answeredAt, answer }) => {
    const answered = answeredAt === undefined ? '' : ` (${localTime(answeredAt)}: ${answer})`;
    return [localTime(at), severity, subject, `${message}${answered}`];
  });
  context.printTable(['TIME', 'SEVERITY', 'SUBJECT', 'MESSAGE'], rows);
  if (found.alarms.length < found.alarmCount)
    context.note(`the last ${found.alarms.length} of ${found.alarmCount}; --limit shows more`);
  return EXIT.ok;
}

interface Tested {
  daemon: DaemonName;
  targets: number;
}

/** Every daemon that runs raises an alarm that says that it is a test. */
export async function testAlarms(context: CliContext): Promise<number> {
  const tested = await Promise.all(daemonsOf(context.config).map((daemon) => test(context, daemon)));
  const running = tested.flatMap((one) => one ?? []);
  if (context.json) context.printJson(running);
  else for (const { daemon, targets } of running) context.print(`${daemon}: ${wordOf(targets)}`);
  if (running.length === 0)
    throw new GrecError('DAEMON_NOT_RUNNING', 'no daemon runs, so nothing was tested', {
      hint: `start them: ${context.command('up')}, or systemctl start grec.target`,
    });
  if (running.every(({ targets }) => targets > 0)) return EXIT.ok;
  context.note('without [alarms] command or webhook alarms stand in the log alone: man grec.toml');
  return EXIT.failure;
}

async function test(context: CliContext, daemon: DaemonName): Promise<Tested | undefined> {
  try {
    const socket = socketOf(context.config, daemon);
    return { daemon, ...(await askDaemon<{ targets: number }>(daemon, socket, 'POST', '/alarms/test')) };
  } catch (thrown) {
    if (thrown instanceof GrecError && thrown.code === 'DAEMON_NOT_RUNNING') return undefined;
    throw thrown;
  }
}

function wordOf(targets: number): string {
  return targets === 0
    ? 'tells nobody but the log'
    : `tells ${targets === 1 ? 'one target' : `${targets} targets`}`;
}
