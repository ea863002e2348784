// Whether a storage can be used: a file is put, read back, and removed.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { GrecError, messageOf } from '../errors.ts';
import { unreachable } from './http-exchange.ts';
import type { Store } from './store.ts';

/** @throws GrecError STORAGE_DIFFERS, and what the storage throws */
export async function probe(store: Store, name: string, bytes: Buffer): Promise<void> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await store.put(name, { size: bytes.length, sha256, open: () => Readable.from([bytes]) });
  const found = await readAll(store, name);
  await store.remove(name);
  if (found === undefined || !found.equals(bytes)) throw differs('what was put is not what can be read');
  if ((await readAll(store, name)) !== undefined) throw differs('what was removed can still be read');
}

function differs(message: string): GrecError {
  return new GrecError('STORAGE_DIFFERS', message, {
    hint: 'something stands between grec and the storage, a cache perhaps; or it keeps what it is to remove',
  });
}

async function readAll(store: Store, name: string): Promise<Buffer | undefined> {
  const body = await store.get(name);
  if (body === undefined) return undefined;
  try {
    const pieces: Buffer[] = [];
    for await (const piece of body as AsyncIterable<Buffer>) pieces.push(piece);
    return Buffer.concat(pieces);
  } catch (thrown) {
    throw unreachable(`GET ${name}: ${messageOf(thrown)}`);
  }
}
