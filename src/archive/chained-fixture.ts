// An archive with a few recordings in its chain, made by the writers' own API, for tests.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { sha256 } from './digest.ts';
import type { Finding } from './finding.ts';
import { AUDIO_FILE, type Metadata } from './metadata.ts';
import { type VerifyOptions, verifyArchive } from './verify.ts';
import { stageRecording } from './write.ts';

export const DAY = Date.UTC(2026, 0, 31, 9);
export const OLD_ID = '00000000-0000-4000-8000-00000000001d';
export const idOf = (number: number) => `019aa000-0000-7000-8000-${String(number).padStart(12, '0')}`;

export interface Archive {
  directory: string;
  signingKey: string;
}

export function emptyArchive(t: Test): Archive {
  const base = t.testdir({});
  return { directory: join(base, 'archive'), signingKey: join(base, 'state', 'signing-key.pem') };
}

export function metadataOf(id: string, at: number): Metadata {
  return {
    version: 1,
    id,
    callUuids: [],
    callerPhoneNumber: '7002',
    dialedPhoneNumber: '7001',
    startTime: new Date(at).toISOString(),
    stopTime: new Date(at + 2000).toISOString(),
    duration: 2000,
    parties: [],
    mediaFiles: [],
    quality: [],
    segments: [],
    eventHistory: [],
    remarks: [],
    software: 'test',
  };
}

/** Archives one recording. @returns its directory, relative to the archive */
export async function record(
  archive: Archive,
  number: number,
  { audio = Buffer.from(`audio ${number}`), at = DAY + number * 1000 }: { audio?: Buffer; at?: number } = {},
): Promise<string> {
  const id = idOf(number);
  const staging = await stageRecording(archive, id, at);
  writeFileSync(join(staging.directory, AUDIO_FILE), audio);
  const captures = [{ segment: `segment-${number}`, size: 3, sha256: sha256(Buffer.from('cap')) }];
  return staging.publish(metadataOf(id, at), captures);
}

/** One as it was archived before manifests were signed. @returns its directory, relative to the archive */
export function recordUnsigned(archive: Archive, at: number, id = OLD_ID): string {
  const path = join(new Date(at).toISOString().slice(0, 10).replaceAll('-', '/'), id);
  const directory = join(archive.directory, path);
  mkdirSync(directory, { recursive: true });
  const files = { 'audio.wav': 'old audio', 'metadata.json': JSON.stringify(metadataOf(id, at)) };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const entries = Object.entries(files).map(([name, text]) => {
    return { path: name, size: Buffer.byteLength(text), sha256: sha256(Buffer.from(text)) };
  });
  const manifest = { version: 1, id, createdAt: new Date(at + 3000).toISOString(), files: entries };
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
  return path;
}

/** An archive of so many recordings, numbered from 1. */
export async function archiveOf(t: Test, count: number): Promise<Archive> {
  const archive = emptyArchive(t);
  for (let number = 1; number <= count; number += 1) await record(archive, number);
  return archive;
}

export async function findingsOf(archive: Archive, options: Partial<VerifyOptions> = {}): Promise<Finding[]> {
  return (await verifyArchive({ archive: archive.directory, ...options })).findings;
}

/** Of the recording with this number, where {@link record} has put it. */
export const folderOf = (archive: Archive, number: number) =>
  join(archive.directory, `2026/01/31/${idOf(number)}`);
