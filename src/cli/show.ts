// `grec show`: one recording, in full.

import { type ChannelQuality, journaledEvents, type Metadata } from '../archive/metadata.ts';
import { readMetadata, type Verification, verifyFiles } from '../archive/read.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { messageOf } from '../errors.ts';
import { note } from './audited.ts';
import { withClear } from './clear-audio.ts';
import type { CliContext } from './context.ts';
import { withWav } from './decoded.ts';
import { EXIT } from './exit-codes.ts';
import { shortId, showRow } from './ls.ts';
import { filesOf, findRecording, type RecordingFiles } from './recording.ts';
import { describeCopies, readCopies } from './show-copies.ts';
import { describeState, readState } from './show-state.ts';
import { describeTalk, readAnalytics } from './show-talk.ts';
import { byteSize, clockDuration, localTime, printable, renderPairs } from './table.ts';
import { renderWaveform } from './waveform.ts';

const WIDEST_WAVEFORM = 120;
/** The same in every event of a recording; `--json` has them. */
const IDS = ['call', 'sessionId', 'recording', 'segment'];

/** Exit status 1 when the files are not what the manifest says. @throws GrecError RECORDING_UNKNOWN … */
export async function show(context: CliContext, idOrPart: string): Promise<number> {
  const row = findRecording(context, idOrPart);
  await note(context, { what: 'show', recording: row.id });
  const files = filesOf(context, row);
  const found = files === undefined ? {} : readFound(files);
  const check = files === undefined ? null : verifyFiles(files.directory);
  const state = readState(context, row);
  const copies = readCopies(context, row);
  const talk = files === undefined ? {} : readAnalytics(context, row);
  if (context.json) {
    context.printJson({
      recording: showRow(row),
      directory: files?.directory ?? null,
      metadata: found.metadata ?? null,
      manifest: check,
      state,
      copies: copies.map(({ storage, state: at, reason }) => ({ storage, state: at, reason })),
      analytics: talk.analytics ?? null,
      topics: talk.topics ?? [],
    });
  } else {
    const waveform = files === undefined ? [] : await drawWaveform(context, files);
    context.print(
      ...describe(context, row, files, found, waveform),
      ...describeTalk(talk),
      ...describeState(state),
      ...describeCopies(copies),
    );
    if (check !== null)
      context.print('', ...describeCheck(context, check), '', ...describeNext(context, row));
  }
  return check === null || check.ok ? EXIT.ok : EXIT.failure;
}

/** The metadata, or why it cannot be read: a damaged file must not hide the rest of the page. */
interface Found {
  metadata?: Metadata;
  problem?: string;
}

function readFound({ directory }: RecordingFiles): Found {
  try {
    return { metadata: readMetadata(directory) };
  } catch (thrown) {
    return { problem: messageOf(thrown) };
  }
}

function describe(
  context: CliContext,
  row: RecordingRow,
  files: RecordingFiles | undefined,
  { metadata, problem }: Found,
  waveform: string[],
): string[] {
  return [
    context.paint('bold', `Recording ${row.id}`),
    ...renderPairs(describeRow(row, files, metadata)),
    ...(problem === undefined ? [] : ['', problem]),
    ...(metadata === undefined ? [] : describeParties(metadata)),
    ...(metadata === undefined ? [] : describeQuality(metadata)),
    ...waveform,
    ...(metadata === undefined ? [] : [...describeEvents(metadata, row), ...describeRemarks(metadata)]),
  ];
}

function describeRow(
  row: RecordingRow,
  files: RecordingFiles | undefined,
  metadata: Metadata | undefined,
): [string, string][] {
  return [
    ['call', `${row.caller} → ${row.callee}${row.direction === null ? '' : `, ${row.direction}`}`],
    ['start', `${localTime(row.startTime)} (${new Date(row.startTime).toISOString()})`],
    ['length', `${clockDuration(row.duration)} (${(row.duration / 1000).toFixed(2)} s)`],
    ['state', row.reason === null ? row.state : `${row.state}: ${row.reason}`],
    ['recorded DN', row.dn ?? '-'],
    ...describeTerms(metadata),
    ...(metadata?.decision === undefined ? [] : ([['why', metadata.decision.reason]] as [string, string][])),
    ...describeData(metadata),
    ['session', row.sessionId ?? '-'],
    ['file', files === undefined ? 'none' : `${files.audio} (${byteSize(row.size)})`],
  ];
}

/** What is left out of most recordings. */
function describeTerms(metadata: Metadata | undefined): [string, string][] {
  const { agentId, retention, fileName } = metadata ?? {};
  const recipients = metadata?.mediaFiles[0]?.encryption?.recipients.map(({ subject }) => subject);
  const terms: [string, string | undefined][] = [
    ['agent', agentId],
    ['retention', retention],
    ['file name', fileName],
    ['encrypted to', recipients?.join(', ')],
  ];
  return terms.flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]]));
}

function describeData(metadata: Metadata | undefined): [string, string][] {
  const data = Object.entries(metadata?.attachedData ?? {});
  if (data.length === 0) return [];
  return [['attached', data.map(([key, value]) => `${key}=${printable(value)}`).join(', ')]];
}

async function drawWaveform(context: CliContext, { audio }: RecordingFiles): Promise<string[]> {
  try {
    const columns = Math.min(context.columns, WIDEST_WAVEFORM);
    const paint = (channel: number, band: string) => context.paint(channel === 0 ? 'cyan' : 'yellow', band);
    return await withClear(context, audio, {}, (clear) =>
      withWav(context, clear, (wav) => ['', ...renderWaveform(wav, { columns, paint })]),
    );
  } catch (thrown) {
    return ['', messageOf(thrown)];
  }
}

function describeRemarks({ remarks }: Metadata): string[] {
  return remarks.length === 0 ? [] : ['', 'remarks', ...remarks.map((remark) => `  ${printable(remark)}`)];
}

function describeCheck(context: CliContext, { ok, problems }: Verification): string[] {
  if (ok) return ['files intact: every hash is that of the manifest'];
  return [context.paint('red', 'FILES NOT INTACT'), ...problems.map((problem) => `  ${printable(problem)}`)];
}

function describeNext(context: CliContext, row: RecordingRow): string[] {
  const id = shortId(row.id);
  return renderPairs([
    ['hear it', context.command(`play ${id}`)],
    ['copy it', context.command(`export ${id}`)],
  ]);
}

function describeParties(metadata: Metadata): string[] {
  const lines = metadata.parties.map((party): [string, string] => {
    const quality = metadata.quality.find(({ channel }) => channel === party.channel);
    const heard =
      quality === undefined
        ? 'no audio'
        : `${quality.codec}, ${quality.packets} packets, ${quality.lost} lost, audio ${(quality.audioMs / 1000).toFixed(2)} s`;
    const name = party.name === undefined ? '' : ` ${party.name}`;
    return [channelName(party.channel), `${party.role} ${party.number}${name}, ${party.uri}; ${heard}`];
  });
  return ['', ...renderPairs(lines)];
}

function channelName(channel: number): string {
  return ['left', 'right'][channel] ?? `channel ${channel + 1}`;
}

/** What was measured of each channel; what nothing is known of is left out. */
function describeQuality({ quality }: Metadata): string[] {
  const lines = quality.flatMap((one): [string, string][] => {
    const told = qualityWords(one);
    return told.length === 0 ? [] : [[channelName(one.channel), told.join(', ')]];
  });
  return lines.length === 0 ? [] : ['', 'quality', ...renderPairs(lines, '  ')];
}

function qualityWords(quality: ChannelQuality): string[] {
  const { mos, jitterMs, maxJitterMs, roundTripMs, reordered, lostInRow, longestGapMs, duplicates, rtcp } =
    quality;
  const { driftPpm, driftSamples } = quality;
  const heard =
    rtcp === undefined
      ? undefined
      : `it reports ${rtcp.lost} lost, jitter ${rtcp.jitterMs} ms (${rtcp.reports} RTCP reports)`;
  const words: (string | undefined)[] = [
    mos === undefined ? undefined : `MOS ${mos.toFixed(2)}`,
    jitterMs === undefined ? undefined : `jitter ${jitterMs} ms, at most ${maxJitterMs ?? jitterMs}`,
    roundTripMs === undefined ? undefined : `round trip ${roundTripMs} ms`,
    lostInRow ? `${lostInRow} lost in a row` : undefined,
    reordered ? `${reordered} out of order` : undefined,
    duplicates ? `${duplicates} duplicates` : undefined,
    longestGapMs === undefined ? undefined : `longest gap ${longestGapMs} ms`,
    driftPpm === undefined
      ? undefined
      : `clock ${Math.abs(driftPpm)} ppm ${driftPpm < 0 ? 'slow' : 'fast'}, corrected by ${driftSamples} samples`,
    heard,
  ];
  return words.flatMap((word) => word ?? []);
}

function describeEvents(metadata: Metadata, row: RecordingRow): string[] {
  const events = journaledEvents(metadata);
  if (events.length === 0) return [];
  const lines = events.map((entry): [string, string] => {
    const offset = (Date.parse(entry.occurredAt) - row.startTime) / 1000;
    const { occurredAt: _at, event, ...rest } = entry;
    const details = Object.entries(rest)
      .filter(([key, value]) => !IDS.includes(key) && ['string', 'number', 'boolean'].includes(typeof value))
      .map(([key, value]) => `${key}=${value}`);
    return [`${offset < 0 ? '' : '+'}${offset.toFixed(2)} s`, [event, ...details].join(' ')];
  });
  return ['', 'events', ...renderPairs(lines, '  ')];
}
