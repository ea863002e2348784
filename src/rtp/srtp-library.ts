// Which library does the arithmetic of SRTP: OpenSSL called directly where that is possible and right, else node:crypto.
import { IV_AT, type SrtpLibrary, TAG_AT, WORK } from './srtp-cipher.ts';
import { nodeLibrary } from './srtp-node.ts';
import { openSslLibrary } from './srtp-openssl.ts';

let chosen: SrtpLibrary | undefined;

/** The best one, chosen at the first call by what it gives for known bytes. */
export function srtpLibrary(): SrtpLibrary {
  chosen ??= choose();
  return chosen;
}

function choose(): SrtpLibrary {
  const native = openSslLibrary();
  return native !== undefined && agrees(native) ? native : nodeLibrary;
}

/** Both give the same for one packet of each kind. */
function agrees(native: SrtpLibrary): boolean {
  try {
    return results(native).equals(results(nodeLibrary));
  } catch {
    return false;
  }
}

function results(library: SrtpLibrary): Buffer {
  const keys = { key: Buffer.alloc(16, 7), salt: Buffer.alloc(14), authenticationKey: Buffer.alloc(20, 9) };
  const counterMode = library.counterMode(keys);
  const aead = library.aead(keys);
  WORK.fill(3, 0, 64);
  WORK.fill(5, IV_AT, IV_AT + 14);
  WORK.fill(0, IV_AT + 14, IV_AT + 16);
  const done = [counterMode.crypt(12, 50), counterMode.authenticate(50)];
  const first = Buffer.concat([WORK.subarray(0, 64), WORK.subarray(TAG_AT, TAG_AT + 20)]);
  done.push(aead.seal(12, 50, 0, 12));
  const second = Buffer.concat([WORK.subarray(0, 64), WORK.subarray(TAG_AT, TAG_AT + 16)]);
  done.push(aead.open(12, 50, 0, 12));
  counterMode.close();
  aead.close();
  return Buffer.concat([first, second, WORK.subarray(0, 64), Buffer.from(done.map(Number))]);
}
