// Answers of a control socket that have no length: JSON values as they come, and bytes such as audio.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Yields what is to be sent, until it has no more or `signal` is aborted: nobody reads any more. */
export type StreamSource = (signal: AbortSignal) => AsyncIterable<unknown>;

/** An answer without an end: one JSON value a line (application/x-ndjson), until either side hangs up. */
export class ControlStream {
  readonly start: StreamSource;

  constructor(start: StreamSource) {
    this.start = start;
  }
}

/** An answer of bytes that are no JSON, such as audio, without a length. */
export class ControlBytes {
  readonly type: string;
  readonly start: (signal: AbortSignal) => AsyncIterable<Buffer>;

  constructor(type: string, start: (signal: AbortSignal) => AsyncIterable<Buffer>) {
    this.type = type;
    this.start = start;
  }
}

/** What the other end does not read waits in the source, which knows how much may. */
export async function stream(outgoing: ServerResponse, { start }: ControlStream): Promise<void> {
  const closed = new AbortController();
  outgoing.once('close', () => closed.abort());
  outgoing.writeHead(200, { 'content-type': 'application/x-ndjson' });
  outgoing.flushHeaders();
  for await (const value of start(closed.signal)) {
    if (outgoing.write(`${JSON.stringify(value)}\n`)) continue;
    await once(outgoing, 'drain', { signal: closed.signal }).catch(() => undefined);
  }
  outgoing.end();
}

/** What the other end does not read stays where it comes from: the source is not asked for more. */
export async function streamBytes(outgoing: ServerResponse, { type, start }: ControlBytes): Promise<void> {
  const closed = new AbortController();
  outgoing.once('close', () => closed.abort());
  outgoing.writeHead(200, { 'content-type': type });
  try {
    for await (const bytes of start(closed.signal)) {
      if (closed.signal.aborted) return;
      if (outgoing.write(bytes)) continue;
      await once(outgoing, 'drain', { signal: closed.signal }).catch(() => undefined);
    }
    outgoing.end();
  } catch {
    // The head is gone: a stream that breaks off without its end tells the other side.
    outgoing.destroy();
  }
}
