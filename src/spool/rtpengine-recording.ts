// What rtpengine leaves of a recording with its method "pcap" (rtpengine(8), --recording-dir): a capture in `pcaps/`, and in
// `metadata/`, once it has ended, a text that names it and holds what its controller told. Pure.
//
//   /path/of/pcaps/CALL-ID-0123456789abcdef.pcap
//   (each SDP of the call)
//   call start time: 2026-11-22T20:45:24
//   call end time: 2026-11-22T20:45:24
//   (empty lines)
//   metadata
import { basename } from 'node:path/posix';
import * as v from 'valibot';
import { recordingMetadataSchema, streamSchema } from './segment.ts';

export const RTPENGINE_METADATA = 'metadata';
export const RTPENGINE_CAPTURES = 'pcaps';

/** What our switch tells an rtpengine as metadata: all that the facts of a segment need. */
export const rtpengineMetadataSchema = v.object({
  ...recordingMetadataSchema.entries,
  /** One or several of each party: each of its ports, all with the formats that it has used. */
  streams: v.array(streamSchema),
});
export type RtpengineMetadata = v.InferOutput<typeof rtpengineMetadataSchema>;

export interface RtpengineNotes {
  /** Its name in `pcaps/`. */
  capture: string;
  /** The name of the call in the ng protocol. */
  callId: string;
  metadata: RtpengineMetadata;
}

const CAPTURE = /^(.+)-[0-9a-f]{16}\.pcap$/;
const LAST_TIME = /^call end time: .*$/m;

/** @returns the notes, or the reason why nothing can be made of them */
export function readRtpengineNotes(text: string): RtpengineNotes | { problem: string } {
  const capture = basename(text.split('\n', 1)[0]?.trim() ?? '');
  const [, name] = CAPTURE.exec(capture) ?? [];
  if (name === undefined) return { problem: 'its first line names no capture' };
  const end = LAST_TIME.exec(text);
  if (end === null) return { problem: 'it does not say when the recording ended' };
  const metadata = readMetadata(text.slice(end.index + end[0].length).trim());
  if (metadata === undefined) return { problem: 'its metadata is not that of a grec-sipd' };
  return { capture, callId: decoded(name), metadata };
}

function readMetadata(text: string): RtpengineMetadata | undefined {
  try {
    const result = v.safeParse(rtpengineMetadataSchema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** rtpengine escapes in file names what a URL would. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
