// `grec import`: recordings out of captures of SIP and RTP that somebody else has made.
import { existsSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { openCatalogReader } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { socketOf } from '../config.ts';
import { askDaemon } from '../control.ts';
import { GrecError, messageOf } from '../errors.ts';
import { type ImportedRecording, type ImportReport, importCaptures } from '../importing/import-captures.ts';
import type { KnownNumber } from '../importing/plan.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { progressOf } from './progress.ts';
import { clockDuration, localTime, printable } from './table.ts';

/** The processor makes all recordings of the import before it answers: ten minutes. */
const MAKING_TIMEOUT_MS = 600_000;

export interface ImportCommandOptions {
  agent?: string[];
  dryRun?: boolean;
}

/** @throws GrecError CAPTURE_UNREADABLE, SPOOL_WRITE, USAGE */
export async function importFiles(
  context: CliContext,
  files: string[],
  { agent = [], dryRun = false }: ImportCommandOptions,
): Promise<number> {
  const { known, isSwitchDown } = await knownNumbers(context, agent);
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort(new GrecError('INTERRUPTED', 'stopped: nothing was imported'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  try {
    const report = await read(context, files, known, dryRun, interrupted.signal);
    const made = dryRun ? undefined : await makeRecordings(context, report);
    show(context, report, made, dryRun);
    if (isSwitchDown && agent.length === 0 && report.recordings.length > 0)
      context.note('grec-sipd does not run: no DN is known, and callers are on the left channel (--agent)');
    return isWhole(report) ? EXIT.ok : EXIT.failure;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  }
}

async function read(
  context: CliContext,
  files: string[],
  known: ReadonlyMap<string, KnownNumber>,
  isDryRun: boolean,
  signal: AbortSignal,
): Promise<ImportReport> {
  const progress = progressOf(context, isDryRun ? 'reading' : 'importing');
  const total = 2 * files.reduce((sum, file) => sum + sizeOf(file), 0);
  let done = 0;
  try {
    return await importCaptures({
      files,
      spool: context.config.paths.spool,
      by: userName(),
      known,
      stateOf: catalogStates(context),
      isDryRun,
      isDtmfDropped: context.config.recording.dtmf === 'drop',
      signal,
      onBytes: (count) => {
        done += count;
        progress.update(Math.min(1, done / Math.max(1, total)));
      },
    });
  } finally {
    progress.done();
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

interface ListedDn {
  number: string;
  record: boolean;
}

/** The DNs of the switch, when it runs, and whom the operator names: these go first. */
async function knownNumbers(
  context: CliContext,
  agents: string[],
): Promise<{ known: Map<string, KnownNumber>; isSwitchDown: boolean }> {
  const dns = await askForDns(context);
  const known = new Map<string, KnownNumber>();
  for (const { number, record } of dns ?? [])
    known.set(number, { isRecorded: record && agents.length === 0 });
  for (const number of agents) known.set(number, { isRecorded: true });
  return { known, isSwitchDown: dns === undefined };
}

async function askForDns(context: CliContext): Promise<ListedDn[] | undefined> {
  try {
    const socket = socketOf(context.config, 'grec-sipd');
    return (await askDaemon<{ dns: ListedDn[] }>('grec-sipd', socket, 'GET', '/dns')).dns;
  } catch (thrown) {
    if (!(thrown instanceof GrecError)) throw thrown;
    return undefined;
  }
}

/** What the catalog says of recordings; nothing when there is none yet. */
function catalogStates(context: CliContext): (recording: string) => string | undefined {
  const file = context.config.paths.catalog;
  if (!existsSync(file)) return () => undefined;
  return (recording) => {
    const catalog = openCatalogReader(file);
    try {
      return catalog.get(recording)?.state;
    } finally {
      catalog.close();
    }
  };
}

/** What the catalog says of the recordings, once the processor has made them; undefined when it does not run. */
async function makeRecordings(
  context: CliContext,
  { recordings }: ImportReport,
): Promise<Map<string, RecordingRow> | undefined> {
  if (recordings.some(({ result }) => result === 'imported') && !(await sync(context))) return undefined;
  if (!existsSync(context.config.paths.catalog)) return undefined;
  const catalog = openCatalogReader(context.config.paths.catalog);
  try {
    const rows = recordings.flatMap(({ recording }) => catalog.get(recording) ?? []);
    return new Map(rows.map((row) => [row.id, row]));
  } finally {
    catalog.close();
  }
}

async function sync(context: CliContext): Promise<boolean> {
  const socket = socketOf(context.config, 'grec-procd');
  try {
    await askDaemon('grec-procd', socket, 'POST', '/sync', undefined, MAKING_TIMEOUT_MS);
    return true;
  } catch (thrown) {
    context.note(`${messageOf(thrown)}: the recordings are made when it runs`);
    return false;
  }
}

function isWhole({ files }: ImportReport): boolean {
  return files.every(({ problems }) => problems.length === 0);
}

function show(
  context: CliContext,
  report: ImportReport,
  made: Map<string, RecordingRow> | undefined,
  isDryRun: boolean,
): void {
  const { recordings, packets, ...rest } = report;
  if (context.json) {
    const shown = recordings.map((one) => ({
      ...asJson(one),
      state: made?.get(one.recording)?.state ?? null,
    }));
    const counters = { ...packets, linkTypes: [...packets.linkTypes] };
    return context.printJson({ dryRun: isDryRun, recordings: shown, ...rest, packets: counters });
  }
  if (recordings.length > 0) {
    context.printTable(
      ['ID', 'START', 'LENGTH', 'CALL', 'PACKETS', 'CODECS', 'RESULT'],
      recordings.map((one) => rowOf(one, made?.get(one.recording))),
      ['left', 'left', 'right', 'left', 'right'],
    );
  }
  context.note(...notesOn(report));
}

function asJson({ start, end, ...rest }: ImportedRecording) {
  return { ...rest, start: iso(start), end: end === undefined ? null : iso(end) };
}

function iso(micros: number): string {
  return new Date(Math.floor(micros / 1000)).toISOString();
}

const RESULTS: Record<ImportedRecording['result'], string> = {
  imported: 'imported',
  found: 'can be imported',
  known: 'imported before',
  'no-media': 'no media of it in the capture',
};

function rowOf(one: ImportedRecording, row: RecordingRow | undefined): string[] {
  const { recording, start, end, from, to, packets, codecs, result } = one;
  const what = result === 'imported' && row !== undefined ? row.state : RESULTS[result];
  return [
    shortId(recording),
    localTime(start / 1000),
    end === undefined ? '?' : clockDuration((end - start) / 1000),
    `${from} → ${to}`,
    `${packets.a}+${packets.b}`,
    codecs.slice(0, 3).join(',') || '-',
    row === undefined || row.reason === null ? what : `${what}: ${row.reason}`,
  ].map(printable);
}

/** In words, what is not in the table. */
function notesOn({ files, recordings, unanswered, sipMessages, malformed, packets }: ImportReport): string[] {
  const notes = files.flatMap(({ file, problems }) =>
    problems.map((problem) => printable(`${file}: ${problem}`)),
  );
  const types = [...packets.linkTypes].join(', ');
  if (packets.unknownLink > 0)
    notes.push(`${packets.unknownLink} frames of link type ${types} cannot be read`);
  if (packets.cut > 0)
    notes.push(`${packets.cut} packets were cut by the capture's snap length: capture with \`tcpdump -s 0\``);
  if (malformed > 0) notes.push(`${malformed} SIP messages could not be read`);
  if (unanswered > 0) notes.push(`${unanswered} calls were not answered`);
  if (sipMessages === 0)
    notes.push(
      'no SIP in these captures: RTP alone does not tell whose it is, nor which two streams are a call',
    );
  else if (recordings.length === 0 && unanswered === 0) notes.push('no call is set up in these captures');
  return notes;
}
