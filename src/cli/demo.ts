// `grec demo`: one real call on this machine, recorded by the daemons, shown, and compared with what the phones sent.
import { join } from 'node:path';
import { AUDIO_FILE, journaledEvents } from '../archive/metadata.ts';
import { readManifest, readMetadata } from '../archive/read.ts';
import { openCatalogReader } from '../catalog/catalog.ts';
import type { RecordingRow } from '../catalog/rows.ts';
import { GrecError } from '../errors.ts';
import type { Phone } from '../testing/phone.ts';
import type { CliContext } from './context.ts';
import { AGENT, CUSTOMER, connect, converse, type DemoCall, registerPhones } from './demo-call.ts';
import { type Check, prove } from './demo-proof.ts';
import { type DemoResult, report } from './demo-report.ts';
import { DemoRun, Interrupted } from './demo-run.ts';
import { prepareState } from './demo-state.ts';
import { Story } from './demo-story.ts';
import { EXIT } from './exit-codes.ts';
import { shortId } from './ls.ts';

export interface DemoOptions {
  /** An empty or new directory for the state; by default a new temporary one. */
  keep?: string;
  /** Shows what the daemons log. */
  verbose?: boolean;
}

const RECORDING_LIMIT_MS = 30_000;

/**
 * Exit status 0 only when the recording equals what the phones sent, and each phone heard the other.
 * @throws GrecError DEMO_FAILED, DAEMON_ENDED, FILE_EXISTS, STATE_UNUSABLE, PORTS_EXHAUSTED …
 */
export async function runDemo(context: CliContext, options: DemoOptions): Promise<number> {
  const state = await prepareState(options.keep);
  const story = new Story(context);
  story.title('One call between two phones on this machine, recorded by the daemons of grec', '');
  const run = new DemoRun(context, state, options.verbose === true);
  const phones: Phone[] = [];
  try {
    const result = await perform(run, story, (phone) => phones.push(phone));
    result.checks.push(checkEnding(await endAll(run, phones)));
    return report(context, story, state, result);
  } catch (thrown) {
    await endAll(run, phones);
    return giveUp(context, run, thrown);
  }
}

async function endAll(run: DemoRun, phones: Phone[]): Promise<string[]> {
  await Promise.all(phones.map((phone) => phone.close()));
  return run.stop();
}

function checkEnding(problems: string[]): Check {
  const name = 'the daemons stopped cleanly';
  return { name, ok: problems.length === 0, detail: problems.join('; ') || 'each with status 0' };
}

/** What is left when the demonstration did not come to its end; the daemons are stopped. */
function giveUp(context: CliContext, run: DemoRun, thrown: unknown): number {
  const { directory, logFile } = run.state;
  if (thrown instanceof Interrupted) {
    context.note(`grec: ${thrown.message}; the daemons are stopped. What there is lies in ${directory}`);
    return EXIT.interrupted;
  }
  context.note('the last lines of the daemons:');
  run.showLastLines();
  context.note(`all of them: ${logFile}`, '');
  throw thrown;
}

/** The story itself, from the start of the daemons to the proof. */
async function perform(run: DemoRun, story: Story, opened: (phone: Phone) => void): Promise<DemoResult> {
  story.tell('grec-sipd, grec-mediad and grec-procd start');
  await run.ready;
  const phones = await registerPhones(run, opened);
  story.tell(
    `phones register: ${AGENT.number} ${AGENT.name}, an agent; ${CUSTOMER.number} ${CUSTOMER.name}, a customer`,
  );
  story.tell(`${CUSTOMER.number} calls ${AGENT.number}`);
  const connecting = connect(run, phones);
  connecting.catch(() => undefined);
  const decided = await run.event('grec-sipd', 'recording.decided');
  if (!decided.record) throw new GrecError('DEMO_FAILED', `the call is not recorded: ${decided.reason}`);
  story.step('started', decided.at / 1000, `full-time recording: ${decided.reason}`);
  const call = await connecting;
  const conversing = converse(run, call, (speaker, words) => {
    story.quote(speaker === 'agent' ? AGENT.name : CUSTOMER.name, words);
  });
  conversing.catch(() => undefined);
  const recording = await tellStart(run, story);
  await conversing;
  await call.customer.call.hangup();
  await tellEnd(run, story);
  const row = await tellIndexed(run, story, recording);
  const result = examine(run, row, call);
  tellHeard(story, result);
  return result;
}

/** @returns the id of the recording */
async function tellStart(run: DemoRun, story: Story): Promise<string> {
  const opened = await run.event('grec-mediad', 'segment.opened');
  story.step('bridged', opened.at / 1000, 'both parties’ media runs through the Media Server');
  const started = await run.event('grec-sipd', 'recording.started');
  story.step(
    'recorded',
    started.at / 1000,
    `recording ${shortId(started.recording)}, one channel for each party`,
  );
  return started.recording;
}

async function tellEnd(run: DemoRun, story: Story): Promise<void> {
  const stopped = await run.event('grec-sipd', 'recording.stopped');
  const closed = await run.event('grec-mediad', 'segment.closed');
  const at = Math.max(stopped.at, closed.at) / 1000;
  story.step('ended', at, `${stopped.reason}; the Media Server hands the capture over`);
}

async function tellIndexed(run: DemoRun, story: Story, id: string): Promise<RecordingRow> {
  const catalog = openCatalogReader(run.state.config.paths.catalog);
  try {
    const what = 'waiting for the recording to be indexed';
    const row = await run.until(RECORDING_LIMIT_MS, what, () => catalog.get(id));
    const indexedAt = Date.now();
    if (row.path === null) throw new GrecError('DEMO_FAILED', `the recording failed: ${row.reason}`);
    const directory = join(run.state.config.paths.archive, row.path);
    const metadata = readMetadata(directory);
    const { segments } = metadata;
    const parts = `${journaledEvents(metadata).length} events and ${segments.length} segment became one recording`;
    story.step('consolidated', Date.parse(readManifest(directory).createdAt), parts);
    story.step('indexed', indexedAt, 'the catalog has it');
    return row;
  } finally {
    catalog.close();
  }
}

/** Finds the recording as an operator does, and compares it with what the phones sent. */
function examine(run: DemoRun, row: RecordingRow, call: DemoCall): DemoResult {
  const { config } = run.state;
  const directory = join(config.paths.archive, row.path ?? '');
  const audio = join(directory, AUDIO_FILE);
  const metadata = readMetadata(directory);
  return { row, audio, metadata, checks: prove({ call, row, config, directory, audio, metadata }) };
}

function tellHeard(story: Story, { checks }: DemoResult): void {
  const failed = checks.filter(({ ok }) => !ok).length;
  const verdict =
    failed === 0 ? 'sample for sample what the phones sent' : `${failed} of ${checks.length} checks failed`;
  story.step('heard', Date.now(), `found by its id, read, and compared: ${verdict}`);
}
