// `grec show`: one recording, in full.

import type { Metadata } from '../archive/metadata.ts';
import { readMetadata, type Verification, verifyFiles } from '../archive/read.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { messageOf } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId, showRow } from './ls.ts';
import { filesOf, findRecording, type RecordingFiles } from './recording.ts';
import { byteSize, clockDuration, localTime, printable, renderPairs } from './table.ts';
import { renderWaveform } from './waveform.ts';

const WIDEST_WAVEFORM = 120;

/** Exit status 1 when the files are not what the manifest says. @throws GrecError RECORDING_UNKNOWN … */
export async function show(context: CliContext, idOrPart: string): Promise<number> {
  const row = findRecording(context, idOrPart);
  const files = filesOf(context, row);
  if (context.json) return showJson(context, row, files);
  context.print(...describe(context, row, files));
  if (files === undefined) return EXIT.ok;
  context.print(...(await section(() => describeFiles(context, row, files))));
  const check = verifyFiles(files.directory);
  context.print(
    '',
    check.ok ? 'files intact: every hash is that of the manifest' : context.paint('red', 'FILES NOT INTACT'),
  );
  context.print(...check.problems.map((problem) => `  ${printable(problem)}`));
  return check.ok ? EXIT.ok : EXIT.failure;
}

function showJson(context: CliContext, row: RecordingRow, files: RecordingFiles | undefined): number {
  const check: Verification | null = files === undefined ? null : verifyFiles(files.directory);
  let metadata: Metadata | null = null;
  try {
    if (files !== undefined) metadata = readMetadata(files.directory);
  } catch {
    // The check says what is wrong with the file.
  }
  context.printJson({
    recording: showRow(row),
    directory: files?.directory ?? null,
    metadata,
    manifest: check,
  });
  return check === null || check.ok ? EXIT.ok : EXIT.failure;
}

/** A damaged file must not hide the rest of the page. */
async function section(describeIt: () => string[]): Promise<string[]> {
  try {
    return describeIt();
  } catch (thrown) {
    return ['', messageOf(thrown)];
  }
}

function describe(context: CliContext, row: RecordingRow, files: RecordingFiles | undefined): string[] {
  return [
    context.paint('bold', `Recording ${row.id}`),
    ...renderPairs([
      ['call', `${row.caller} → ${row.callee}${row.direction === null ? '' : `, ${row.direction}`}`],
      ['start', `${localTime(row.startTime)} (${new Date(row.startTime).toISOString()})`],
      ['length', `${clockDuration(row.duration)} (${(row.duration / 1000).toFixed(2)} s)`],
      ['state', row.reason === null ? row.state : `${row.state}: ${row.reason}`],
      ['recorded DN', row.dn ?? '-'],
      ['session', row.sessionId ?? '-'],
      ['file', files === undefined ? 'none' : `${files.audio} (${byteSize(row.size)})`],
    ]),
  ];
}

function describeFiles(context: CliContext, row: RecordingRow, files: RecordingFiles): string[] {
  const metadata = readMetadata(files.directory);
  const waveform = renderWaveform(files.audio, {
    columns: Math.min(context.columns, WIDEST_WAVEFORM),
    paint: (channel, band) => context.paint(channel === 0 ? 'cyan' : 'yellow', band),
  });
  return [
    ...renderPairs([['why', metadata.decision?.reason ?? 'not known']]),
    ...describeParties(metadata),
    '',
    ...waveform,
    ...describeEvents(metadata, row),
    ...metadata.remarks.flatMap((remark, index) => [
      ...(index === 0 ? ['', 'remarks'] : []),
      `  ${printable(remark)}`,
    ]),
    '',
    `${context.command(`play ${shortId(row.id)}`)}   ${context.command(`export ${shortId(row.id)}`)}`,
  ];
}

function describeParties(metadata: Metadata): string[] {
  const lines = metadata.parties.map((party): [string, string] => {
    const quality = metadata.quality.find(({ channel }) => channel === party.channel);
    const heard =
      quality === undefined
        ? 'no audio'
        : `${quality.codec}, ${quality.packets} packets, ${quality.lost} lost, audio ${(quality.audioMs / 1000).toFixed(2)} s`;
    const name = party.name === undefined ? '' : ` ${party.name}`;
    return [
      party.channel === 0 ? 'left' : 'right',
      `${party.role} ${party.number}${name}, ${party.uri}; ${heard}`,
    ];
  });
  return ['', ...renderPairs(lines)];
}

function describeEvents(metadata: Metadata, row: RecordingRow): string[] {
  if (metadata.eventHistory.length === 0) return [];
  const lines = metadata.eventHistory.map((entry): [string, string] => {
    const offset = (Date.parse(entry.occurredAt) - row.startTime) / 1000;
    const { occurredAt: _at, event, ...rest } = entry;
    const details = Object.entries(rest)
      .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
      .map(([key, value]) => `${key}=${value}`);
    return [`${offset < 0 ? '' : '+'}${offset.toFixed(2)} s`, [event, ...details].join(' ')];
  });
  return ['', 'events', ...renderPairs(lines, '  ')];
}
