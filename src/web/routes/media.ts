// The audio of recordings, as it is archived: whole or in ranges (RFC 9110 section 14), to whom it is not there already.
import { closeSync, constants, createReadStream, fstatSync, openSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { AUDIO_TYPES, SEALED_ENDING } from '../../archive/audio-format.ts';
import { mediaIdOf } from '../../archive/ids.ts';
import type { MediaFile } from '../../archive/metadata.ts';
import { readManifest } from '../../archive/read.ts';
import type { RecordingRow } from '../../catalog/rows.ts';
import { GrecError, messageOf } from '../../errors.ts';
import { matches } from '../conditions.ts';
import { problem } from '../problem.ts';
import { readRange } from '../range.ts';
import { type Answer, type Route, refuse, route } from '../route.ts';
import type { Web } from '../web.ts';
import { idSchema } from './schemas.ts';
import { metadataOf, seenRecording } from './seen.ts';

/** CMS (RFC 8551 section 3.2.1): for who has the private key and opens it there. */
const SEALED_TYPE = 'application/pkcs7-mime';
const FILE = 'expected a name or id of a media file';
const params = v.strictObject({ id: idSchema, file: v.pipe(v.string(), v.regex(/^[\w.-]{1,100}$/, FILE)) });

export function mediaRoutes(web: Web): Route[] {
  return [
    route({
      method: 'GET',
      path: '/recordings/:id/play/:file',
      summary:
        'The audio of a recording; what is encrypted is given as it is to who accepts application/pkcs7-mime',
      needs: 'recordings:hear',
      params,
      answers: {
        200: { what: 'All of it.', types: [...AUDIO_TYPES, SEALED_TYPE] },
        206: { what: 'The range.', types: [...AUDIO_TYPES, SEALED_TYPE] },
        404: { what: 'There is none.' },
        409: { what: 'It is encrypted: no key is here that opens it.' },
        416: { what: 'There are no such bytes.' },
      },
      handle: async ({ params: { id, file: name }, who, headers }) => {
        const row = seenRecording(web, who, id);
        const file = metadataOf(web, row)?.mediaFiles.find((one) => isNamed(one, row.id, name));
        if (file === undefined || row.path === null)
          throw new GrecError('RECORDING_UNKNOWN', `recording ${row.id} has no such media file`);
        const isSealed = file.mediaPath.endsWith(SEALED_ENDING);
        if (isSealed && !(headers.accept ?? '').includes(SEALED_TYPE)) return sealed(file);
        await web.note(who.by, {
          what: 'play',
          recording: row.id,
          details: { file: file.mediaPath, range: headers.range },
        });
        return give(web, row, file, headers, isSealed ? SEALED_TYPE : file.type);
      },
    }),
  ];
}

function isNamed({ mediaPath, mediaId }: MediaFile, recording: string, name: string): boolean {
  return name === mediaPath || name === (mediaId ?? mediaIdOf(recording, mediaPath));
}

function sealed({ encryption }: MediaFile): Answer {
  const names = encryption?.recipients.map(({ subject }) => subject).join(', ') ?? '';
  const detail = `this recording is encrypted to ${names}: no private key is here; ask with Accept: ${SEALED_TYPE} and open it where the key is`;
  return refuse(problem(409, 'recording-encrypted', detail));
}

function give(
  web: Web,
  row: RecordingRow,
  file: MediaFile,
  headers: IncomingHttpHeaders,
  type: string,
): Answer {
  const directory = join(web.config.paths.archive, row.path ?? '');
  const etag = entityTag(directory, file.mediaPath);
  const shared = {
    etag,
    'cache-control': 'private, no-cache',
    'accept-ranges': 'bytes',
    vary: 'authorization, accept',
  };
  if (matches(headers['if-none-match'], etag)) return { status: 304, headers: shared };
  const { fd, size } = open(join(directory, basename(file.mediaPath)));
  const ifRange = headers['if-range'];
  const range = ifRange === undefined || ifRange === etag ? readRange(headers.range, size) : undefined;
  if (range === null) {
    closeSync(fd);
    const told = problem(416, 'no-such-range', `the file has ${size} bytes`);
    return refuse(told, { 'content-range': `bytes */${size}` });
  }
  const { first, last } = range ?? { first: 0, last: size - 1 };
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      ...shared,
      'content-type': type,
      'content-length': String(last - first + 1),
      'content-disposition': `inline; filename="${row.id}-${basename(file.mediaPath)}"`,
      ...(range && { 'content-range': `bytes ${first}-${last}/${size}` }),
    },
    open: () => createReadStream('', { fd, start: first, end: last }),
    discard: () => closeSync(fd),
  };
}

/** Strong: the hash of its bytes, as its manifest has it. @throws GrecError RECORDING_UNREADABLE */
function entityTag(directory: string, path: string): string {
  const known = readManifest(directory).files.find((one) => one.path === path);
  if (known !== undefined) return `"${known.sha256}"`;
  throw new GrecError('RECORDING_UNREADABLE', `the manifest of ${directory} does not name ${path}`);
}

/** No link is followed. @throws GrecError RECORDING_UNREADABLE */
function open(file: string): { fd: number; size: number } {
  try {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    return { fd, size: fstatSync(fd).size };
  } catch (thrown) {
    throw new GrecError('RECORDING_UNREADABLE', `cannot read ${file}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}
