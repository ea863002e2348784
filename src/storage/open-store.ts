// The storage class that a [[storage]] table describes.
import type { StorageConfig } from '../config.ts';
import { GrecError } from '../errors.ts';
import { DirectoryStore } from './directory.ts';
import { S3Store } from './s3.ts';
import type { Store } from './store.ts';
import { WebdavStore } from './webdav.ts';

const MIB = 1 << 20;
const PART_MIB = 16;

/** Must be closed. @throws GrecError CONFIG_INVALID when a file that it names cannot be read */
export function openStore(config: StorageConfig): Store {
  const { type, ca, timeout } = config;
  const need = (key: 'path' | 'url' | 'bucket' | 'access-key' | 'secret-key-file'): string => {
    const value = config[key];
    if (value !== undefined) return value;
    throw new GrecError('CONFIG_INVALID', `storage ${config.name} needs ${key}`);
  };
  if (type === 'directory') return new DirectoryStore(need('path'));
  const place = { url: need('url'), ca, timeout };
  if (type === 'webdav')
    return new WebdavStore({ ...place, username: config.username, passwordFile: config['password-file'] });
  return new S3Store({
    ...place,
    bucket: need('bucket'),
    prefix: config.prefix === undefined ? '' : `${config.prefix}/`,
    region: config.region ?? 'us-east-1',
    accessKey: need('access-key'),
    secretKeyFile: need('secret-key-file'),
    addressing: config.addressing ?? 'path',
    partSize: (config['part-size'] ?? PART_MIB) * MIB,
  });
}

/** Whether a storage takes recordings of this class and DN. */
export function takes(
  { retention, dn }: Pick<StorageConfig, 'retention' | 'dn'>,
  recording: { retention: string; dn: string | null },
): boolean {
  if (retention !== undefined && !retention.includes(recording.retention)) return false;
  if (dn === undefined) return true;
  return dn.some((pattern) => matches(pattern, recording.dn ?? ''));
}

/** `*` at the end stands for any digits. */
function matches(pattern: string, number: string): boolean {
  return pattern.endsWith('*') ? number.startsWith(pattern.slice(0, -1)) : number === pattern;
}
