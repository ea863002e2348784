// Installing runs no compiler: packages that carry their binaries must not be built again.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

interface Entry {
  gypfile?: boolean;
  resolved?: string;
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, Entry>;
};

// npm takes a binding.gyp for a wish to be built, and does not look for `gypfile: false` in the package when it installs
// from a lock file. So the lock file must say it; `npm install` leaves it out when it writes the entry anew.
t.test('the lock file tells npm which packages are not to be built', async (t) => {
  const withGyp = Object.keys(lock.packages).filter(
    (path) => path !== '' && existsSync(join(root, path, 'binding.gyp')),
  );
  t.ok(withGyp.includes('node_modules/better-sqlite3'));
  for (const path of withGyp)
    t.equal(lock.packages[path]?.gypfile, false, `add "gypfile": false to ${path} in package-lock.json`);
});

t.test('the lock file names no registry', async (t) => {
  const named = Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined);
  t.same(
    named.map(([path]) => path),
    [],
  );
});
