// One conversation is one recording, whoever recorded it and in whatever order it becomes known.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { recordingIdOfSegment } from '../archive/ids.ts';
import { readMetadata } from '../archive/read.ts';
import { verifyArchive } from '../archive/verify.ts';
import { openCatalogReader } from '../catalog/catalog.ts';
import { loadConfig } from '../config.ts';
import { silentLogger } from '../log.ts';
import { MULAW_TO_LINEAR } from '../rtp/g711.ts';
import { requireValidDocuments } from '../testing/archived-documents.ts';
import { T0, toneByte } from './fixtures/segments.ts';
import {
  appendJournal,
  attendedTransfer,
  CALLS,
  placeSegment,
  RECORDINGS,
  type Story,
  VOICES,
} from './fixtures/stories.ts';
import { startProcessor } from './processor.ts';

const END = T0 + 7_000_000;
const NO_REQUEST = { params: {}, query: new URLSearchParams(), body: undefined };

function bench(t: Test, settings = '') {
  const directory = mkdtempSync(join(tmpdir(), 'grec-conversation-'));
  writeFileSync(
    join(directory, 'grec.toml'),
    `state.directory = "one"\nprocessing.also = ["two"]\n${settings}`,
  );
  const config = loadConfig({ file: join(directory, 'grec.toml'), env: {} });
  const clock = { now: END + 20_000_000 };
  const states = [config.paths.state, join(directory, 'two')];
  const daemons: Awaited<ReturnType<typeof startProcessor>>[] = [];
  t.teardown(async () => {
    for (const daemon of daemons) await daemon.stop();
    requireValidDocuments(config.paths.archive);
    rmSync(directory, { recursive: true, force: true });
  });
  const ask = <T>(question: (catalog: ReturnType<typeof openCatalogReader>) => T): T => {
    const catalog = openCatalogReader(config.paths.catalog);
    const answer = question(catalog);
    catalog.close();
    return answer;
  };
  return {
    config,
    clock,
    states,
    /** What each switch has, or those of its segments. */
    reveal(story: Story, source: 0 | 1, only = story.segments.map(({ id }) => id)) {
      for (const journal of story.journals)
        if (journal.source === source)
          appendJournal(states[source] ?? '', journal.daemon, journal.lines.join(''));
      this.place(story, source, only);
    },
    place(story: Story, source: 0 | 1, only: string[]) {
      for (const segment of story.segments)
        if (segment.source === source && only.includes(segment.id))
          placeSegment(states[source] ?? '', segment);
    },
    async start() {
      const daemon = await startProcessor({ config, log: silentLogger(), now: () => clock.now });
      daemons.push(daemon);
      return () => daemon.routes?.['POST /sync']?.(NO_REQUEST);
    },
    rows: () => ask((catalog) => catalog.list()),
    find: (id: string) => ask((catalog) => catalog.get(id)),
    folderOf: (path: string | null | undefined) => join(config.paths.archive, path ?? ''),
  };
}

/** Of a WAV with any number of channels. */
function channelsOf(file: string): Int16Array[] {
  const bytes = readFileSync(file);
  const count = bytes.readUInt16LE(22);
  const frames = (bytes.length - 44) / (2 * count);
  return Array.from({ length: count }, (_, channel) =>
    Int16Array.from({ length: frames }, (__, frame) => bytes.readInt16LE(44 + 2 * (frame * count + channel))),
  );
}

/** Whether the words of a speaker stand in a channel, sample for sample, in their place. */
function isSaid(channel: Int16Array | undefined, voice: number, [from, to]: [number, number]): boolean {
  const first = Math.round(from * 8000);
  const words = Array.from({ length: Math.round((to - from) * 8000) }, (_, at) =>
    toneByte(first + at, voice),
  );
  return words.every((byte, at) => channel?.[first + at] === MULAW_TO_LINEAR[byte]);
}

t.test(
  'two switches, a consultation and a transfer: one recording, each party on a channel of its own',
  async (t) => {
    const it = bench(t);
    const story = attendedTransfer();
    it.reveal(story, 0);
    it.reveal(story, 1);
    await (await it.start())();
    const [row, ...others] = it.rows();
    t.same(others, []);
    t.match(row, { id: RECORDINGS.customers, state: 'complete', reason: null, sessionId: '1'.repeat(32) });
    t.match(row, { direction: 'inbound', caller: '+49301234567', callee: '7001', dn: '7001' });
    const metadata = readMetadata(it.folderOf(row?.path));
    t.match(metadata, {
      callUuids: Object.values(CALLS),
      joined: [RECORDINGS.consultation, RECORDINGS.experts],
      mediaFiles: [{ channels: 3 }],
      segments: [{ id: 'seg-1' }, { id: 'seg-2' }, { id: 'seg-4' }, { id: 'seg-3' }],
      remarks: [],
    });
    t.match(
      metadata.parties.map(({ channel, number }) => `${channel} ${number}`),
      ['0 7001', '1 +49301234567', '2 8001'],
    );
    const channels = channelsOf(join(it.folderOf(row?.path), 'audio.wav'));
    const [agent, customer, expert] = channels;
    t.ok(isSaid(agent, VOICES.agent, [0, 2]));
    t.ok(isSaid(agent, VOICES.agent, [2.3, 3.9]));
    t.ok(isSaid(customer, VOICES.customer, [0, 2]));
    t.ok(isSaid(customer, VOICES.customer, [4.2, 5.9]));
    t.ok(isSaid(expert, VOICES.expert, [2.3, 5.9]));
    const present = channels.map((channel) => channel.filter((sample) => sample !== 0).length / 8000);
    t.ok(
      present.every((seconds, channel) => Math.abs(seconds - ([3.6, 3.7, 3.6][channel] ?? 0)) < 0.1),
      `${present}`,
    );
    for (const id of Object.values(RECORDINGS)) t.equal(it.find(id)?.id, RECORDINGS.customers);
    t.match(await verifyArchive({ archive: it.config.paths.archive }), { findings: [] });
  },
);

t.test(
  'what another switch tells later makes the recording again, and takes in what stood alone',
  async (t) => {
    const it = bench(t);
    const story = attendedTransfer();
    it.reveal(story, 1);
    const sync = await it.start();
    await sync();
    t.match(it.rows(), [{ id: RECORDINGS.experts, state: 'complete' }]);
    const alone = it.rows()[0]?.path;
    it.reveal(story, 0, ['seg-1', 'seg-2']);
    await sync();
    t.match(it.rows(), [{ id: RECORDINGS.customers, state: 'partial', reason: /seg-3 is not in the spool/ }]);
    t.match(readMetadata(it.folderOf(alone)), { joinedInto: RECORDINGS.customers, mediaFiles: [] });
    it.place(story, 0, ['seg-3']);
    await sync();
    t.match(it.rows(), [{ id: RECORDINGS.customers, state: 'complete', reason: null }]);
    t.equal(it.find(RECORDINGS.experts)?.id, RECORDINGS.customers);
    t.match(await verifyArchive({ archive: it.config.paths.archive }), { findings: [] });
  },
);

t.test('another switch that cannot be reached holds nothing up, and catches up', async (t) => {
  const it = bench(t);
  const story = attendedTransfer();
  const [, two = ''] = it.states;
  writeFileSync(two, 'a file where the directory should be');
  it.reveal(story, 0);
  const sync = await it.start();
  t.match(await sync(), { recordings: 1, problem: /the spool .*two.*spool cannot be read|null/ });
  t.match(it.rows(), [{ id: RECORDINGS.customers, state: 'complete' }]);
  rmSync(two);
  it.reveal(story, 1);
  t.match(await sync(), { problem: null });
  await sync();
  t.match(readMetadata(it.folderOf(it.rows()[0]?.path)), { segments: { length: 4 } });
});

t.test('a call over a trunk waits a moment for the other switch, and no call for nothing', async (t) => {
  const it = bench(t, 'processing.wait = 30\n');
  it.reveal(attendedTransfer(), 0);
  const sync = await it.start();
  await sync();
  t.same(it.rows(), []);
  it.clock.now = END + 31_000_000;
  await sync();
  t.match(it.rows(), [{ id: RECORDINGS.customers }]);
});

t.test('a part that comes when nothing is kept any more becomes a recording of its own', async (t) => {
  const it = bench(t, 'processing.late = 0\n');
  const story = attendedTransfer();
  it.reveal(story, 0, ['seg-1', 'seg-2']);
  const sync = await it.start();
  await sync();
  await sync();
  t.match(it.rows(), [{ id: RECORDINGS.customers, state: 'partial' }]);
  t.same(readdirSync(join(it.states[0] ?? '', 'finished')), []);
  it.clock.now += 61_000_000;
  it.place(story, 0, ['seg-3']);
  await sync();
  const own = recordingIdOfSegment('seg-3');
  t.match(
    it
      .rows()
      .map(({ id }) => id)
      .toSorted(),
    [RECORDINGS.customers, own].toSorted(),
  );
});

t.test('nothing is heard of a pause, whichever switch captured it', async (t) => {
  const it = bench(t);
  const story = attendedTransfer();
  const [here] = story.journals;
  const asked = { call: CALLS.customers, recording: RECORDINGS.customers, reason: 'asked' };
  const event = (type: string, seconds: number, seq: number) =>
    `${JSON.stringify({ seq, at: T0 + seconds * 1e6, daemon: 'grec-sipd', type, ...asked })}\n`;
  const count = here?.lines.length ?? 0;
  here?.lines.push(event('recording.paused', 4.5, count + 1), event('recording.resumed', 5, count + 2));
  // The media server of the first switch closed its segment, and began another one.
  it.reveal(story, 0, ['seg-1', 'seg-2']);
  it.reveal(story, 1);
  const sync = await it.start();
  await sync();
  const [row] = it.rows();
  const channels = channelsOf(join(it.folderOf(row?.path), 'audio.wav'));
  const [from, to] = [4.52 * 8000, 4.98 * 8000];
  t.ok(channels.every((channel) => channel.subarray(from, to).every((sample) => sample === 0)));
  t.ok(channels.some((channel) => channel.subarray(5.1 * 8000, 5.5 * 8000).some((sample) => sample !== 0)));
});
