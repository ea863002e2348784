// A file system of its own for a test, small enough to fill: needs the right to mount one.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mount = (directory: string, size: string) =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory], { encoding: 'utf8' });

/** @param size as of tmpfs(5): `256k` */
export function mountDisk(directory: string, size: string): void {
  mkdirSync(directory, { recursive: true });
  const { status, stderr } = mount(directory, size);
  if (status !== 0) throw new Error(`cannot mount ${directory}: ${stderr}`);
}

export function unmountDisk(directory: string): void {
  spawnSync('umount', ['-l', directory]);
}

/** Why there can be no disk of its own here; false when there can. */
export function noDisk(): string | false {
  const trial = mkdtempSync(join(tmpdir(), 'grec-disk-'));
  const { status, stderr } = mount(trial, '64k');
  if (status === 0) unmountDisk(trial);
  rmSync(trial, { recursive: true });
  return status === 0 ? false : `a file system cannot be mounted here: ${stderr}`;
}
