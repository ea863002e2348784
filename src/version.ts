// The version of grec, from its package.json.
import { createRequire } from 'node:module';

function readVersion(): string {
  const require = createRequire(import.meta.url);
  for (const candidate of ['../package.json', '../../package.json']) {
    try {
      const found = require(candidate) as { name?: string; version?: string };
      if (found.name === 'grec' && found.version !== undefined) return found.version;
    } catch {
      // Beside the sources it is one folder up, beside the build two.
    }
  }
  return '0.0.0';
}

export const VERSION = readVersion();
