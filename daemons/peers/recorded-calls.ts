// Many recorded calls by sipp at once, and the proof that each recording holds what was sent.
//
//   sipp (trunk) --INVITE--> grec --INVITE--> sipp (DN 7001), RTP both ways through the media server
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { MULAW_TO_LINEAR } from '../../src/rtp/g711.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { freePort, type Installation, install, readChannels } from './installation.ts';
import { noise } from './noise.ts';
import { runSipp, type SippRun } from './sipp.ts';
import { type WitnessedStream, watch } from './witness.ts';

/** Loopback addresses of this process alone: the witness sees all of loopback, calls of tests beside this one included. */
const [TRUNK, DESK] = [ownAddress(100), ownAddress(170)] as const;
/** The configuration that these calls need. */
export const CARRIER = `[[trunk]]\nname = "carrier"\nhost = "${TRUNK}"\n`;
/** The media ends before the call does, so that all of it has been sent when BYE comes. */
const TAIL_MS = 500;

export interface RecordedCallsOptions {
  calls: number;
  /** Calls per second. */
  rate: number;
  /** Media that each side sends, in seconds. */
  seconds: number;
  /** Called when all calls are up. */
  midway?(installation: Installation): Promise<void>;
  say?(line: string): void;
}

export interface RecordedCallsReport {
  /** sipp's exit status, caller and callee: 0 when no call failed and no message was unexpected. */
  status: [number | null, number | null];
  errors: string;
  recordings: number;
  complete: number;
  /** Channels that equal what was sent, sample by sample: two a recording when all is well. */
  exactChannels: number;
  /** What differs, in words. */
  differences: string[];
  /**
   * The largest difference between a recording's length and the time from the first to the last moment of media sent,
   * as an independent capture saw it; in milliseconds.
   */
  worstDurationMs: number;
  /** The most by which a call's two sides began apart, and the slowest sender's drift over its media, in milliseconds. */
  sipp: { worstSkewMs: number; worstDriftMs: number };
  problems: string[];
}

/** `127.NETWORK.x.y`, of the process id, which has 22 bits. */
function ownAddress(network: number): string {
  const { pid } = process;
  return `127.${network + (pid >> 16)}.${(pid >> 8) & 255}.${pid & 255}`;
}

/** Starts a grec of its own, runs the calls, and looks at every recording. */
export async function runRecordedCalls(options: RecordedCallsOptions): Promise<RecordedCallsReport> {
  const { calls, say = () => undefined } = options;
  const directory = mkdtempSync(join(tmpdir(), 'grec-calls-'));
  const installation = await install({ mediaPorts: calls * 4 + 40, toml: CARRIER });
  try {
    const report = await callAndCompare(options, installation, directory);
    say(JSON.stringify(report));
    return report;
  } finally {
    await installation.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function callAndCompare(
  options: RecordedCallsOptions,
  installation: Installation,
  directory: string,
): Promise<RecordedCallsReport> {
  const { calls, seconds, midway, say = () => undefined } = options;
  const witness = await watch([TRUNK, DESK]);
  const { caller, callee, sent } = await placeCalls(options, installation, directory);
  if (midway !== undefined) {
    await untilCalls(installation, calls);
    say(`${calls} calls are up`);
    await midway(installation);
  }
  const [from, to] = await Promise.all([caller.result, callee.result]);
  say('the calls are over');
  const rows = await installation.recordings(calls);
  const report = compareAll(installation, rows, sent);
  return {
    ...report,
    ...compareTimes(rows, await witness.streams(), seconds * 1000),
    status: [from.code, to.code],
    errors: from.errors + to.errors,
    problems: installation.log.filter((line) => /"level":"(error|fatal)"/.test(line)),
  };
}

/** What each side of every call sends, as mu-law bytes. */
export interface SentAudio {
  a: Buffer;
  b: Buffer;
}

export interface PlacedCalls {
  caller: SippRun;
  callee: SippRun;
  sent: SentAudio;
}

/**
 * Registers DN 7001 and begins the calls from the trunk to it.
 * @param directory for the audio files; it must stay until the calls are over
 */
export async function placeCalls(
  options: Pick<RecordedCallsOptions, 'calls' | 'rate' | 'seconds'>,
  installation: Installation,
  directory: string,
): Promise<PlacedCalls> {
  const { calls, rate, seconds } = options;
  const sent = { a: noise('a', seconds), b: noise('b', seconds) };
  const files = { a: join(directory, 'a.ulaw'), b: join(directory, 'b.ulaw') };
  writeFileSync(files.a, sent.a);
  writeFileSync(files.b, sent.b);
  await installation.addDn('7001', 'secret', { record: true, name: 'Agent' });
  const desk = { host: DESK, port: await freePort(DESK) };
  const register = runSipp({
    scenario: 'register',
    local: desk,
    remote: installation.sip,
    calls: 1,
    words: { number: '7001', password: 'secret' },
    timeoutS: 20,
  });
  const registered = await register.result;
  if (registered.code !== 0) throw new Error(`sipp could not register: ${registered.errors}`);
  const timeoutS = Math.ceil(calls / rate + seconds + 30);
  const common = { remote: installation.sip, calls, rate, timeoutS };
  const callee = runSipp({ ...common, scenario: 'uas', local: desk, words: { audio: files.b } });
  const caller = runSipp({
    ...common,
    scenario: 'uac',
    local: { host: TRUNK, port: await freePort(TRUNK) },
    words: { audio: files.a, number: '7001', caller: '+4930123', ms: `${seconds * 1000 + TAIL_MS}` },
  });
  return { caller, callee, sent };
}

/** Resolves when so many calls are being recorded. */
export async function untilCalls(installation: Installation, calls: number): Promise<void> {
  for (;;) {
    const { recording } = await installation.ask<{ recording: number }>('grec-sipd', 'GET', '/status');
    if (recording >= calls) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Compares both channels of every recording with what was sent. */
export function compareAll(installation: Installation, rows: RecordingRow[], sent: SentAudio) {
  const expected = { a: linear(sent.a), b: linear(sent.b) };
  const differences: string[] = [];
  let exactChannels = 0;
  for (const row of rows) {
    if (row.path === null) {
      differences.push(`${row.id}: ${row.reason}`);
      continue;
    }
    // 7001 is the agent: left. It is the called side, which sends b.
    const [left, right] = readChannels(join(installation.config.paths.archive, row.path, 'audio.wav'));
    for (const [name, channel, wanted] of [
      ['left', left, expected.b],
      ['right', right, expected.a],
    ] as const) {
      const found = findAudio(channel, wanted);
      if (found.exact) exactChannels++;
      else differences.push(`${row.id} ${name}: ${JSON.stringify(found)}`);
    }
  }
  const complete = rows.filter(({ state }) => state === 'complete').length;
  return { recordings: rows.length, complete, exactChannels, differences };
}

/**
 * Recordings and streams are matched in order of time: calls begin a tenth of a second apart.
 * The senders' clocks are true in RTP time and a little slow on the wall, so the time that RTP tells is what counts:
 * from the first packet of the call's earlier stream to the end of the later one.
 */
function compareTimes(rows: RecordingRow[], streams: WitnessedStream[], mediaMs: number) {
  const callers = streams.filter(({ source }) => source === TRUNK);
  const callees = streams.filter(({ source }) => source === DESK);
  const inOrder = rows.toSorted((one, other) => one.startTime - other.startTime);
  let worstDurationMs =
    callers.length === rows.length && callees.length === rows.length ? 0 : Number.POSITIVE_INFINITY;
  const sipp = { worstSkewMs: 0, worstDriftMs: 0 };
  for (const [index, row] of inOrder.entries()) {
    const starts = [callers[index]?.start ?? Number.NaN, callees[index]?.start ?? Number.NaN] as const;
    const skewMs = Math.abs(starts[0] - starts[1]);
    worstDurationMs = Math.max(worstDurationMs, Math.abs(row.duration - (mediaMs + skewMs)));
    sipp.worstSkewMs = Math.max(sipp.worstSkewMs, skewMs);
  }
  for (const { start, end } of streams)
    sipp.worstDriftMs = Math.max(sipp.worstDriftMs, Math.abs(end - start - mediaMs));
  return { worstDurationMs, sipp };
}

/** The samples of mu-law bytes. */
export function linear(mulaw: Buffer): Int16Array {
  return Int16Array.from(mulaw, (byte) => MULAW_TO_LINEAR[byte] ?? 0);
}
