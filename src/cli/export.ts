// `grec export`: a verified copy of a recording, or the same in another format.
import { createReadStream, statSync } from 'node:fs';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { METADATA_FILE } from '../archive/metadata.ts';
import { readMetadata, verifyFiles } from '../archive/read.ts';
import { sidesOf } from '../archive/sides.ts';
import { manifestProblems } from '../archive/verify.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { GrecError } from '../errors.ts';
import { isRecordingName } from '../recording-name.ts';
import { note } from './audited.ts';
import { clearName, type KeyOptions, withClear } from './clear-audio.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';
import { copyInto, NewFile } from './new-file.ts';
import { progressOf } from './progress.ts';
import { findRecording, type RecordingFiles, requireFiles } from './recording.ts';
import { byteSize, localTime } from './table.ts';
import { type ExportFormat, TRANSCODED_FORMATS, type TranscodedFormat } from './transcode-formats.ts';

export interface ExportOptions extends KeyOptions {
  output: string;
  format?: 'wav' | TranscodedFormat;
  force?: boolean;
  metadata?: boolean;
}

/**
 * Nothing is left behind under the final name unless it is whole: a temporary file beside it is written, synced, and
 * then takes the name.
 * @throws GrecError RECORDING_UNKNOWN, RECORDING_UNREADABLE, FILE_EXISTS, FILE_UNWRITABLE, FFMPEG_MISSING, DECRYPTION_KEY, USAGE …
 */
export async function exportRecording(
  context: CliContext,
  idOrPart: string,
  options: ExportOptions,
): Promise<number> {
  if (options.output === '-' && options.metadata === true)
    throw new GrecError('USAGE', '--metadata writes a second file and cannot go to standard output');
  if (options.output === '-' && context.stdout.isTTY === true)
    throw new GrecError('USAGE', '-o - writes audio: send it into a pipe or a file');
  const row = findRecording(context, idOrPart);
  const archived = requireFiles(context, row);
  const format = chooseFormat(options, { ...archived, audio: clearName(archived.audio) });
  await requireIntact(context, row, archived);
  const target = options.output === '-' ? '-' : resolve(options.output);
  await note(context, { what: 'export', recording: row.id, details: { format, output: target } });
  return withClear(context, archived.audio, options, async (audio) => {
    const files = { ...archived, audio };
    if (options.output === '-') await exportToPipe(context, row, files, format);
    else await exportToFile(context, row, files, format, options);
    return EXIT.ok;
  });
}

async function requireIntact(
  context: CliContext,
  row: RecordingRow,
  { directory }: RecordingFiles,
): Promise<void> {
  const { archive } = context.config.paths;
  const problems = [
    ...verifyFiles(directory).problems,
    ...(await manifestProblems(archive, relative(archive, directory))),
  ];
  if (problems.length === 0) return;
  throw new GrecError(
    'RECORDING_UNREADABLE',
    `recording ${shortId(row.id)} is not intact: ${problems.join('; ')}`,
    {
      hint: `nothing was written. ${context.command(`show ${shortId(row.id)}`)} shows it; restore it from a backup of the archive`,
    },
  );
}

function chooseFormat({ format, output }: ExportOptions, files: RecordingFiles): ExportFormat {
  if (format !== undefined) return format;
  const ending = extname(output).slice(1).toLowerCase();
  if (output === '-' || ending === '' || isDirectory(output)) return archivedFormat(files);
  if (ending === 'wav') return 'wav';
  const known = TRANSCODED_FORMATS.find((candidate) => candidate === ending);
  if (known !== undefined) return known;
  throw new GrecError('USAGE', `no format is called .${ending}`, {
    hint: `formats: wav, ${TRANSCODED_FORMATS.join(', ')}; --format chooses one whatever the file is called`,
  });
}

/** What needs no conversion. */
function archivedFormat({ audio }: RecordingFiles): ExportFormat {
  const ending = extname(audio).slice(1);
  return TRANSCODED_FORMATS.find((format) => format === ending) ?? 'wav';
}

function isDirectory(path: string): boolean {
  if (path.endsWith(sep)) return true;
  try {
    return statSync(path).isDirectory();
  } catch {
    // What cannot be looked at cannot be written either, and writing says why.
    return false;
  }
}

async function exportToPipe(
  context: CliContext,
  row: RecordingRow,
  files: RecordingFiles,
  format: ExportFormat,
): Promise<void> {
  if (format === archivedFormat(files)) {
    await pipeline(createReadStream(files.audio), context.stdout, { end: false });
    return;
  }
  // Some containers are finished by seeking back, which a pipe cannot.
  const scratch = NewFile.temporary(`grec.${format}`);
  try {
    await writeAudio(context, row, files, format, scratch.path);
    await pipeline(createReadStream(scratch.path), context.stdout, { end: false });
  } finally {
    scratch.discard();
  }
}

async function exportToFile(
  context: CliContext,
  row: RecordingRow,
  files: RecordingFiles,
  format: ExportFormat,
  { output, force = false, metadata = false }: ExportOptions,
): Promise<void> {
  const target = resolve(isDirectory(output) ? join(output, `${nameOf(row, files)}.${format}`) : output);
  const beside = metadata ? `${target.slice(0, target.length - extname(target).length)}.json` : undefined;
  if (beside === target)
    throw new GrecError('USAGE', `the audio would have the name of the metadata, ${target}`);
  const written = [new NewFile(target, force), ...(beside === undefined ? [] : [new NewFile(beside, force)])];
  try {
    const [audio, json] = written;
    if (audio !== undefined) await writeAudio(context, row, files, format, audio.path);
    if (json !== undefined) await copyInto(join(files.directory, METADATA_FILE), json.path);
    // The metadata first: where the audio is, its metadata is too.
    for (const file of written.toReversed()) file.keep();
  } finally {
    for (const file of written) file.discard();
  }
  report(context, row, format, target, beside);
}

async function writeAudio(
  context: CliContext,
  row: RecordingRow,
  files: RecordingFiles,
  format: ExportFormat,
  target: string,
): Promise<void> {
  const progress = progressOf(context, `exporting ${shortId(row.id)}`);
  try {
    if (format === archivedFormat(files)) return await copyInto(files.audio, target, progress.update);
    const { transcode } = await import('./transcode.ts');
    await transcode({
      source: files.audio,
      target,
      format,
      sides: sidesOf(readMetadata(files.directory)),
      duration: row.duration,
      ffmpeg: context.config.export.ffmpeg,
      onProgress: progress.update,
    });
  } finally {
    progress.done();
  }
}

/** As the recorded DN's template said; a name that leads elsewhere was not made by grec. */
function nameOf(row: RecordingRow, { directory }: RecordingFiles): string {
  const { fileName } = readMetadata(directory);
  return fileName !== undefined && isRecordingName(fileName) ? fileName : usualName(row);
}

/** `grec-20260131-090507-7001-7002-1a2b3c4d`: sorts by time, and says who spoke. */
function usualName({ id, startTime, caller, callee }: RecordingRow): string {
  const time = localTime(startTime).replaceAll(/[-:]/g, '').replace(' ', '-');
  const numbers = [caller, callee].map(
    (number) => number.replaceAll(/[^\w+]/g, '_').slice(0, 40) || 'unknown',
  );
  return `grec-${time}-${numbers.join('-')}-${shortId(id)}`;
}

function report(
  context: CliContext,
  row: RecordingRow,
  format: ExportFormat,
  target: string,
  beside: string | undefined,
): void {
  const size = statSync(target).size;
  if (context.json) context.printJson({ id: row.id, file: target, format, size, metadata: beside ?? null });
  else {
    context.print(target);
    if (beside !== undefined) context.print(beside);
    context.note(`${basename(target)}: ${byteSize(size)}, from files that match their manifest`);
  }
}
