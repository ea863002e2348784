// Whether the encrypted audio of a recording opens, and is what was encrypted.
import type { KeyObject } from 'node:crypto';
import { basename, join } from 'node:path';
import { messageOf } from '../errors.ts';
import { proveSealed } from './cms/open.ts';
import type { Finding } from './finding.ts';
import { readMetadata } from './read.ts';

/** Does not throw for what it finds. @param path of the recording, relative to the archive */
export async function checkSealed(
  archive: string,
  path: string,
  keys: readonly KeyObject[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const report = (message: string, file?: string) =>
    findings.push({ code: 'file-unopened', id: basename(path), path, ...(file && { file }), message });
  try {
    for (const { mediaPath, encryption } of readMetadata(join(archive, path)).mediaFiles) {
      if (encryption === undefined) continue;
      const file = basename(mediaPath);
      const fault = await faultOf(join(archive, path, file), encryption, keys);
      if (fault !== undefined) report(fault, file);
    }
  } catch (thrown) {
    report(messageOf(thrown));
  }
  return findings;
}

async function faultOf(
  file: string,
  { size, sha256 }: { size: number; sha256: string },
  keys: readonly KeyObject[],
): Promise<string | undefined> {
  try {
    const opened = await proveSealed(file, keys);
    if (opened.size === size && opened.sha256 === sha256) return undefined;
    return 'it opens, and is not what the metadata says was encrypted';
  } catch (thrown) {
    return messageOf(thrown);
  }
}
