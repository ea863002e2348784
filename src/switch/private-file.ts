// Databases of the switch are not for everybody's eyes: they hold hashes that are as good as passwords (RFC 7616 section 5.3).
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';

const MODE = 0o640;
/** Read, write and execute, for everybody. */
const OTHERS = 0o007;

/** Makes the file, or takes it from everybody's eyes; SQLite gives what it keeps beside it the same permissions. Throws system errors. */
export function makePrivate(file: string): void {
  closeSync(openSync(file, 'a', MODE));
  const { mode } = statSync(file);
  if ((mode & OTHERS) !== 0) chmodSync(file, mode & ~OTHERS & 0o777);
}
