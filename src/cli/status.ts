// `grec status`: the daemons through their control sockets, and the alarms of the catalog.
import type { AlarmRow } from '../catalog/rows.ts';
import { askDaemon, type DaemonName, socketOf } from '../control.ts';
import { GrecError, messageOf } from '../errors.ts';
import { readAlarms } from './alarms.ts';
import type { CliContext } from './context.ts';
import { daemonsOf } from './daemons-runner.ts';
import { EXIT } from './exit-codes.ts';
import { byteSize, localTime, roughDuration } from './table.ts';

const ALARMS_SHOWN = 10;
/** What every daemon answers about itself; the rest are its own figures. */
const COMMON = ['daemon', 'version', 'pid', 'startedAt', 'config', 'stateDirectory'];

type Answer = Record<string, unknown>;

interface TrunkAnswer {
  hosts?: { up: boolean }[];
  registration?: { registered: boolean } | null;
}

interface DaemonStatus {
  daemon: DaemonName;
  state: 'running' | 'not running' | 'not answering';
  reason?: string;
  status?: Answer;
}

/** Exit status 4 when a daemon does not run. */
export async function status(context: CliContext): Promise<number> {
  const daemons = await Promise.all(daemonsOf(context.config).map((name) => askStatus(context, name)));
  const alarms = await readAlarms(context, ALARMS_SHOWN);
  const code = daemons.every(({ state }) => state === 'running') ? EXIT.ok : EXIT.notRunning;
  if (context.json) {
    context.printJson({ daemons, ...alarms });
    return code;
  }
  context.printTable(['DAEMON', 'STATE', 'PID', 'UP', 'FIGURES'], daemons.map(showDaemon));
  for (const { reason } of daemons) if (reason !== undefined) context.print(`  ${reason}`);
  const troubles = daemons.flatMap(({ status: answer }) => spoolTroubles(answer?.['spool']));
  for (const trouble of troubles) context.print(`  ${context.paint(['red', 'bold'], trouble)}`);
  if (alarms.alarmCount > 0) {
    const shown = alarms.alarms.length < alarms.alarmCount ? `, the last ${alarms.alarms.length}` : '';
    context.print(
      '',
      context.paint(
        ['red', 'bold'],
        `${alarms.alarmCount} alarm${alarms.alarmCount === 1 ? '' : 's'}${shown}:`,
      ),
    );
    context.print(...alarms.alarms.map(showAlarm));
  }
  if (code !== EXIT.ok)
    context.note('', `start them: ${context.command('up')}, or systemctl start grec.target`);
  return code;
}

async function askStatus(context: CliContext, name: DaemonName): Promise<DaemonStatus> {
  try {
    const socket = socketOf(context.config, name);
    return {
      daemon: name,
      state: 'running',
      status: await askDaemon<Answer>(name, socket, 'GET', '/status'),
    };
  } catch (thrown) {
    if (thrown instanceof GrecError && thrown.code === 'DAEMON_NOT_RUNNING')
      return { daemon: name, state: 'not running' };
    return { daemon: name, state: 'not answering', reason: messageOf(thrown) };
  }
}

function showDaemon({ daemon, state, status: answer }: DaemonStatus): string[] {
  if (answer === undefined) return [daemon, state, '-', '-', ''];
  const since = Date.parse(String(answer['startedAt']));
  return [
    daemon,
    state,
    String(answer['pid'] ?? '-'),
    Number.isNaN(since) ? '-' : roughDuration(Date.now() - since),
    showFigures(answer),
  ];
}

/** The plain values of an answer, and a few that lie deeper; the rest is for `--json`. */
function showFigures(answer: Answer): string {
  const plain = Object.entries(answer)
    .filter(([key, value]) => !COMMON.includes(key) && ['number', 'string', 'boolean'].includes(typeof value))
    .map(([key, value]) => `${key.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()} ${value}`);
  return [
    ...plain,
    ...showCopies(answer),
    ...showTrunks(answer),
    ...showPorts(answer),
    ...showDisk(answer),
  ].join(', ');
}

/** How many trunks are of use: a host answers, and where we are to register, we are. */
function showTrunks(answer: Answer): string[] {
  const trunks = answer['trunks'];
  if (!Array.isArray(trunks) || trunks.length === 0) return [];
  const isUp = ({ hosts = [], registration }: TrunkAnswer) =>
    hosts.some(({ up }) => up) && registration?.registered !== false;
  return [`trunks up ${trunks.filter(isUp).length} of ${trunks.length}`];
}

/** What waits for storages, and what they will never take. */
function showCopies(answer: Answer): string[] {
  const { waiting, failed } = (answer['copies'] ?? {}) as Record<string, unknown>;
  if (typeof waiting !== 'number' || typeof failed !== 'number') return [];
  return [`copies waiting ${waiting}`, ...(failed > 0 ? [`copies failed ${failed}`] : [])];
}

function showPorts(answer: Answer): string[] {
  const { portsUsed, portsFree } = (answer['media'] ?? {}) as Record<string, unknown>;
  if (typeof portsUsed !== 'number' || typeof portsFree !== 'number') return [];
  return [`port pairs ${portsUsed} of ${portsUsed + portsFree}`];
}

function showDisk(answer: Answer): string[] {
  const { freeBytes } = (answer['spool'] ?? {}) as Record<string, unknown>;
  return typeof freeBytes === 'number' ? [`disk free ${byteSize(freeBytes)}`] : [];
}

/** What an operator must see to before calls are lost, or after. */
function spoolTroubles(spool: unknown): string[] {
  const figures = (spool ?? {}) as Record<string, unknown>;
  const { isLow, freeBytes, minFreeBytes, problem } = figures;
  const count = (key: string) => (typeof figures[key] === 'number' ? figures[key] : 0);
  const [refused, packets, recordings] = [count('refused'), count('lostPackets'), count('lostRecordings')];
  return [
    ...(isLow === true
      ? [
          `the disk of the spool is nearly full: ${byteSize(Number(freeBytes))} left, less than ${byteSize(Number(minFreeBytes))}`,
        ]
      : []),
    ...(typeof problem === 'string' ? [`the disk of the spool cannot be looked at: ${problem}`] : []),
    ...(refused > 0 ? [`the disk of the spool takes nothing of ${refused} recordings at the moment`] : []),
    ...(packets > 0 ? [`${packets} packets could not be written since grec-mediad started`] : []),
    ...(recordings > 0
      ? [`of ${recordings} recordings nothing could be written since grec-mediad started`]
      : []),
  ];
}

function showAlarm({ at, severity, subject, message }: AlarmRow): string {
  return `  ${localTime(at)}  ${severity}  ${subject}: ${message}`;
}
