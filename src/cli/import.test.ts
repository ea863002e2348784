// grec import as the operator sees it: the list, JSON, words for what is wrong, progress on a terminal, Ctrl-C.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { captureFile, type FileFormat } from '../capture/fixtures/frames.ts';
import { overUdp, T0 } from '../importing/fixtures/calls.ts';
import { emptyState, grec, type State } from './fixtures/state.ts';

const PLAIN: FileFormat = { link: 'ethernet', isLittleEndian: true, kind: 'pcap' };
const GREC = fileURLToPath(new URL('../../bin/grec.ts', import.meta.url));

function save(state: State, bytes: Buffer, name = 'calls.pcap'): string {
  const file = join(state.directory, name);
  writeFileSync(file, bytes);
  return file;
}

const spoolOf = ({ directory }: State) => join(directory, 'state', 'spool');

t.test('a dry run lists the calls, and says what it does not know', async (t) => {
  const state = emptyState(t);
  const file = save(
    state,
    captureFile([...overUdp(), ...overUdp({ callId: 'mute', at: T0 + 60e6, packets: 0 })], PLAIN),
  );
  const { code, out, err } = await grec(state, ['import', '--dry-run', file]);
  t.equal(code, 0);
  t.match(out, /7002 → 7001 +50\+50 +PCMU +can be imported\n/);
  t.match(out, /7002 → 7001 +0\+0 +PCMU +no media of it in the capture\n/);
  t.match(err, /grec-sipd does not run: no DN is known/);
  t.notOk(existsSync(spoolOf(state)));
});

t.test(
  'without a processor the segments wait in the spool; twice is once; --agent chooses the side',
  async (t) => {
    const state = emptyState(t);
    const file = save(state, captureFile(overUdp(), PLAIN));
    const first = await grec(state, ['import', '--agent', '7001', file]);
    t.equal(first.code, 0);
    t.match(first.out, /imported\n/);
    t.match(first.err, /grec-procd is not running.*: the recordings are made when it runs/);
    t.notMatch(first.err, /no DN is known/);
    const { out } = await grec(state, ['import', '--json', file]);
    t.match(JSON.parse(out), {
      dryRun: false,
      recordings: [
        { result: 'known', state: null, from: '7002', to: '7001', start: '2026-01-31T09:05:08.250Z' },
      ],
      files: [{ file: 'calls.pcap', problems: [] }],
      unanswered: 0,
      packets: { linkTypes: [] },
    });
    t.equal(readdirSync(spoolOf(state)).length, 1);
  },
);

t.test('a file that breaks off is imported as far as it goes, with status 1', async (t) => {
  const state = emptyState(t);
  const whole = captureFile(overUdp(), { ...PLAIN, snaplen: 200 });
  const { code, out, err } = await grec(state, ['import', '--dry-run', save(state, whole.subarray(0, -7))]);
  t.equal(code, 1);
  t.match(err, /calls\.pcap: its last frame is cut off \(\d+ bytes\)/);
  t.match(err, /packets were cut by the capture's snap length: capture with `tcpdump -s 0`/);
  t.match(err, /SIP messages could not be read/);
  t.equal(out, '');
});

t.test('captures without SIP, and of links that are not known, are explained', async (t) => {
  const state = emptyState(t);
  const rtp = overUdp().filter(({ ip }) => ip.length === 200);
  t.match(
    (await grec(state, ['import', save(state, captureFile(rtp, PLAIN))])).err,
    /no SIP in these captures/,
  );
  const bytes = captureFile(rtp, PLAIN);
  bytes.writeUInt32LE(127, 20);
  t.match(
    (await grec(state, ['import', save(state, bytes)])).err,
    /100 frames of link type 127 cannot be read/,
  );
});

t.test('what cannot be read or written is an error that says what to do', async (t) => {
  const state = emptyState(t);
  const said = async (...argv: string[]) => {
    const { code, err } = await grec(state, ['import', ...argv]);
    return `${code} ${err}`;
  };
  t.match(await said(), /^2 .*missing required argument 'files'/);
  t.match(
    await said('nothing.pcap'),
    /^1 .*cannot read nothing.pcap: ENOENT.*\n {2}name a capture: `.*import FILE.pcap`/,
  );
  t.match(
    await said(save(state, Buffer.alloc(100, 'text'))),
    /^1 .*is no capture: neither pcap nor pcapng\n {2}pcap and/,
  );
  mkdirSync(join(state.directory, 'state'), { recursive: true });
  writeFileSync(spoolOf(state), 'in the way');
  t.match(
    await said(save(state, captureFile(overUdp(), PLAIN))),
    /^1 .*cannot write into the spool .*\n {2}.*look what stands there/,
  );
});

t.test('Ctrl-C in the middle leaves nothing behind', async (t) => {
  const state = emptyState(t);
  // The same packets many times over: it takes a while to write them.
  const packets = overUdp({ packets: 1000, isEnded: false });
  const media = captureFile(packets.slice(4), PLAIN).subarray(24);
  const file = save(state, Buffer.concat([captureFile(packets, PLAIN), ...Array<Buffer>(60).fill(media)]));
  const child = spawn(process.execPath, [GREC, '--config', state.configFile, 'import', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (bytes) => {
    said += bytes;
  });
  const isWriting = () => existsSync(spoolOf(state)) && readdirSync(spoolOf(state)).length > 0;
  while (!isWriting() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  t.equal(code, 130, said);
  t.match(said, /stopped: nothing was imported/);
  t.same(readdirSync(spoolOf(state)), []);
});
