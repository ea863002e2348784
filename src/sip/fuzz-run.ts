// Runs hostile messages through the wire code and measures what they do: exceptions, stalls, growth.
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../errors.ts';
import { type DecodeResult, decodeMessage } from './decode.ts';
import { type Challenger, createChallenger } from './digest.ts';
import { encodeMessage } from './encode.ts';
import { Fuzzer } from './fuzz.ts';
import { isRequest, type SipMessage } from './message.ts';
import { makeResponse } from './response.ts';
import { StreamDecoder } from './stream.ts';
import { parseUri } from './uri.ts';

export interface FuzzOptions {
  seed: number;
  datagrams: number;
  streams: number;
  corpus?: readonly Buffer[];
  /** Milliseconds, of any origin. */
  now: () => number;
  /** Bytes of live heap, measured after a collection when there can be one. */
  heapUsed: () => number;
}

export interface FuzzReport {
  accepted: number;
  refused: number;
  /** Refusals that can be answered. */
  answerable: number;
  /** What must not happen, each with the bytes that made it happen. */
  failures: { what: string; bytes: Buffer }[];
  /** The slowest decode of one datagram or one chunk, milliseconds; outliers are timed again, so that it is the work and not the machine. */
  slowest: { milliseconds: number; bytes: Buffer };
  /** Live heap at the end less that after the first tenth, bytes. */
  heapGrowth: number;
}

/** A decode above this many milliseconds is timed again. */
const SUSPICIOUS = 0.5;
const RETRIES = 5;

export function fuzz(options: FuzzOptions): FuzzReport {
  const report: FuzzReport = {
    accepted: 0,
    refused: 0,
    answerable: 0,
    failures: [],
    slowest: { milliseconds: 0, bytes: Buffer.alloc(0) },
    heapGrowth: 0,
  };
  const fuzzer = new Fuzzer(options.seed, options.corpus);
  const challenger = createChallenger({ realm: 'grec', now: options.now });
  const total = options.datagrams + options.streams;
  let heap = options.heapUsed();
  for (let count = 0; count < total; count++) {
    if (count === Math.floor(total / 10)) heap = options.heapUsed();
    if (count < options.datagrams) tryDatagram(fuzzer.datagram(), report, challenger, options.now);
    else tryStream(fuzzer.stream(), report, challenger, options.now);
  }
  report.heapGrowth = options.heapUsed() - heap;
  return report;
}

function tryDatagram(bytes: Buffer, report: FuzzReport, challenger: Challenger, now: () => number): void {
  try {
    const milliseconds = timed(() => void decodeMessage(bytes), now);
    noteTime(report, milliseconds, bytes);
    judge(decodeMessage(bytes), [bytes], report, challenger);
  } catch (thrown) {
    report.failures.push({ what: `threw ${messageOf(thrown)}`, bytes });
  }
}

/** The time of `work`, the least of a few when it looks long. */
function timed(work: () => void, now: () => number): number {
  const once = () => {
    const start = now();
    work();
    return now() - start;
  };
  let least = once();
  for (let retry = 0; retry < RETRIES && least > SUSPICIOUS; retry++) least = Math.min(least, once());
  return least;
}

function noteTime(report: FuzzReport, milliseconds: number, bytes: Buffer): void {
  if (milliseconds > report.slowest.milliseconds) report.slowest = { milliseconds, bytes };
}

function tryStream(chunks: Buffer[], report: FuzzReport, challenger: Challenger, now: () => number): void {
  try {
    const decoder = new StreamDecoder();
    let at = 0;
    for (const chunk of chunks) {
      const start = now();
      const items = decoder.push(chunk);
      const milliseconds = now() - start;
      at++;
      if (milliseconds > SUSPICIOUS)
        noteTime(report, timeOfChunk(chunks.slice(0, at), now, milliseconds), chunk);
      for (const item of items) if ('ok' in item) judge(item, chunks, report, challenger);
    }
  } catch (thrown) {
    report.failures.push({ what: `stream threw ${messageOf(thrown)}`, bytes: Buffer.concat(chunks) });
  }
}

/** The time of the last chunk, in fresh decoders that have seen those before it. */
function timeOfChunk(chunks: Buffer[], now: () => number, first: number): number {
  let least = first;
  for (let retry = 0; retry < RETRIES && least > SUSPICIOUS; retry++) {
    const decoder = new StreamDecoder();
    for (const chunk of chunks.slice(0, -1)) decoder.push(chunk);
    const start = now();
    decoder.push(chunks.at(-1) ?? Buffer.alloc(0));
    least = Math.min(least, now() - start);
  }
  return least;
}

function judge(result: DecodeResult, chunks: Buffer[], report: FuzzReport, challenger: Challenger): void {
  const fail = (what: string) => report.failures.push({ what, bytes: Buffer.concat(chunks) });
  if (!result.ok) {
    report.refused++;
    if (result.request === undefined) return;
    report.answerable++;
    const answer = decodeMessage(
      encodeMessage(makeResponse(result.request, result.status ?? 400, { toTag: 't' })),
    );
    if (!answer.ok) fail(`the answer is refused: ${answer.reason}`);
    return;
  }
  report.accepted++;
  const { message } = result;
  const again = decodeMessage(encodeMessage(message));
  if (!again.ok) fail(`refused when printed: ${again.reason}`);
  else if (!sameMessage(message, again.message)) fail('another message when printed');
  useDigest(message, challenger);
}

function sameMessage(a: SipMessage, b: SipMessage): boolean {
  const length = { 'content-length': 0 };
  return (
    a.body.equals(b.body) &&
    isDeepStrictEqual({ ...a.headers, ...length }, { ...b.headers, ...length }) &&
    isDeepStrictEqual({ ...a, headers: 0, body: 0 }, { ...b, headers: 0, body: 0 })
  );
}

function useDigest(message: SipMessage, challenger: Challenger): void {
  if (!isRequest(message)) return;
  parseUri(message.uri);
  for (const header of message.headers.authorization ?? []) {
    challenger.verify({ header, method: message.method, requestUri: message.uri, ha1: () => '0'.repeat(32) });
  }
}
