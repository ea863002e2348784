// The layers of the source, held by this test: data flows one way, and so do imports.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const BASE = [
  'caller',
  'feature-codes',
  'config',
  'config-addresses',
  'config-alarms',
  'config-tls',
  'config-encryption',
  'config-index',
  'config-media',
  'config-processing',
  'config-recording',
  'config-retention',
  'config-storage',
  'config-trunk',
  'config-web',
  'dn-settings',
  'recording-name',
  'regular-file',
  'sound-file',
  'consent-tone',
  'errors',
  'ffmpeg',
  'sync',
  'log',
  'log-destination',
  'log-levels',
  'log-output',
  'log-secrets',
  'toml-lines',
  'toml-schema',
  'version',
  'node-version',
];
/** Processes and their control sockets: above base, below the stages. */
const PROCESS = ['control', 'control-streams', 'daemon'];
const WIRE = ['sip', 'sdp', 'rtp', 'ng', 'spool', 'capture'];
/** Values in, values out: no sockets, no processes. */
const PURE = [...WIRE, 'switch/strategy'];

/** Which rooms a room may enter besides itself. */
const ALLOWED: Record<string, string[]> = {
  ...Object.fromEntries(BASE.map((name) => [name, BASE])),
  'control-streams': BASE,
  control: [...BASE, 'control-streams'],
  alarms: BASE,
  daemon: [...BASE, 'control', 'alarms'],
  sip: BASE,
  sdp: BASE,
  rtp: BASE,
  ng: BASE,
  spool: BASE,
  /** Captures of others: frames, packets, streams. */
  capture: BASE,
  /** Routing strategies: what is decided is pure, and the command line may ask for it as well. */
  'switch/strategy': BASE,
  switch: [...BASE, ...PROCESS, 'audit', 'sip', 'sdp', 'ng', 'spool', 'switch/strategy'],
  media: [...BASE, ...PROCESS, 'sdp', 'rtp', 'ng', 'spool'],
  archive: [...BASE, ...WIRE],
  audit: BASE,
  /** Storage classes: where copies of recordings go. */
  storage: BASE,
  catalog: [...BASE, ...WIRE],
  /** From the archive into the catalog. */
  indexing: [...BASE, 'spool', 'archive', 'catalog'],
  processing: [...BASE, ...PROCESS, 'audit', 'rtp', 'spool', 'archive', 'catalog', 'storage', 'indexing'],
  speech: [...BASE, 'archive'],
  /** A process of its own beside the processor; it knows what is finished, and nothing of its making. */
  index: [...BASE, ...PROCESS, 'archive', 'catalog', 'speech'],
  /** From captures of others into the spool. */
  importing: [...BASE, 'sip', 'sdp', 'rtp', 'spool', 'capture'],
  testing: [...BASE, ...WIRE],
  /** Users, tokens and rights: the command line makes them, Web Services ask. */
  'web/access': BASE,
  web: [...BASE, ...PROCESS, 'audit', 'archive', 'catalog', 'web/access'],
  cli: [
    ...BASE,
    ...PROCESS,
    'archive',
    'audit',
    'catalog',
    'index',
    'speech',
    'testing',
    'spool',
    'rtp',
    'tui',
    'switch/strategy',
    'importing',
    'indexing',
    'web/access',
  ],
  tui: BASE,
};

/** The live half of the wire folders: everything else there is bytes in, values out. */
const LIVE = new Set([
  'sip/local-address.ts',
  'sip/locate.ts',
  'sip/transport.ts',
  'sip/transport-udp.ts',
  'sip/udp-batches.ts',
  'sip/kernel.ts',
  'sip/transport-stream.ts',
  'sip/stream-connection.ts',
  'sip/tls.ts',
  'sip/tls-door.ts',
  'sip/tls-gate.ts',
  'ng/client.ts',
  'ng/server.ts',
]);
const SOCKETS = /^(node:)?(net|dgram|tls|http|https|dns|worker_threads|child_process)$/;

interface Import {
  file: string;
  from: string;
  specifier: string;
}

function sources(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes('/fixtures/'));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s*['"]([^'"]+)['"]/g,
  );
  return [...found].map((match) => ({
    file,
    from: room(file),
    specifier: match[1] ?? match[2] ?? match[3] ?? '',
  }));
}

/** The folder under src/ that a file belongs to (one within it when it has rules of its own), or the name of a file that lies in src/ itself. */
function room(file: string): string {
  const parts = file.split('/');
  if (parts[0] !== 'src') return parts[0] ?? '';
  if (parts.length > 3 && ALLOWED[`${parts[1]}/${parts[2]}`] !== undefined) return `${parts[1]}/${parts[2]}`;
  return parts.length > 2 ? (parts[1] ?? '') : (parts[1] ?? '').replace(/(\.test)?\.ts$/, '');
}

function target({ file, specifier }: Import): string {
  return relative(root, join(root, dirname(file), specifier));
}

const isTest = (file: string) => file.endsWith('.test.ts') || file.endsWith('-fixture.ts');
const own = (found: Import) => found.specifier.startsWith('.');
const all = ['src', 'bin', 'daemons'].flatMap(sources).flatMap(importsOf);
const code = all.filter(({ file }) => !isTest(file));

t.test('every folder of src has its place among the layers', async (t) => {
  const rooms = new Set(
    sources('src')
      .filter((file) => !isTest(file))
      .map(room),
  );
  t.same(
    [...rooms].filter((name) => ALLOWED[name] === undefined),
    [],
  );
});

t.test('no import goes up or sideways', async (t) => {
  const wrong = code
    .filter((found) => own(found) && found.file.startsWith('src/'))
    .filter(
      (found) => room(target(found)) !== found.from && !ALLOWED[found.from]?.includes(room(target(found))),
    );
  t.same(
    wrong.map((found) => `${found.file} imports ${target(found)}`),
    [],
  );
});

t.test('nothing in src imports bin or daemons, and daemons do not import each other', async (t) => {
  // daemons/peers holds tests of the whole and what these stand on; it is not shipped.
  const wrong = code.filter(
    (found) =>
      own(found) && !found.file.startsWith('daemons/peers/') && /^(bin|daemons)\//.test(target(found)),
  );
  t.same(
    wrong.map((found) => `${found.file} imports ${target(found)}`),
    [],
  );
});

t.test(
  'pure code (of the wire, all but its live half) opens no sockets and starts no processes',
  async (t) => {
    const wrong = code.filter(
      ({ file, from, specifier }) =>
        PURE.includes(from) && !LIVE.has(file.replace('src/', '')) && SOCKETS.test(specifier),
    );
    t.same(
      // isIP and friends look at text alone.
      wrong
        .filter(({ file, specifier }) => !(specifier === 'node:net' && onlyLooksAtAddresses(file)))
        .map(({ file, specifier }) => `${file} imports ${specifier}`),
      [],
    );
  },
);

function onlyLooksAtAddresses(file: string): boolean {
  const text = readFileSync(join(root, file), 'utf8');
  return /import\s*\{\s*isIP(v4|v6)?(\s*,\s*isIP(v4|v6)?)*\s*\}\s*from\s*'node:net'/.test(text);
}

t.test('the environment is read by the configuration alone', async (t) => {
  const readers = sources('src')
    .filter((file) => !isTest(file) && /process\.env\b/.test(readFileSync(join(root, file), 'utf8')))
    .filter((file) => !['src/config.ts', 'src/daemon.ts'].includes(file));
  t.same(readers, []);
});

t.test('the layers are looked at in earnest', async (t) => {
  t.ok(code.length > 100, `${code.length} imports seen`);
  t.equal(room('src/switch/call.ts'), 'switch');
  t.equal(room('src/config.ts'), 'config');
});
