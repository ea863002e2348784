// Requests that are too large for one UDP packet on the path go by TCP, where the peer takes it (RFC 3261 section 18.1.1).
import type { Channel } from './channel.ts';
import { topVia } from './compose.ts';
import type { Core } from './core.ts';
import { encodedLength } from './encode.ts';
import type { SipRequest } from './message.ts';
import type { Peer } from './user-agent-types.ts';

/** Bytes: what fits into the smallest path there is likely to be, when that is not known. */
const LARGEST_OVER_UDP = 1300;
/** A request is written out to be measured when it looks larger than this; Via and the like are not counted in it. */
const WORTH_MEASURING = 800;

/**
 * The way of a request: `channel`, or TCP to the same peer when the request is too large for UDP and the peer can be reached
 * so. Finding out may take a second; most requests need not wait for it.
 */
export function wayForSize(core: Core, request: SipRequest, channel: Channel): Channel | Promise<Channel> {
  if (channel.reliable || !looksLarge(request)) return channel;
  const headers = { ...request.headers, via: [topVia(channel)] };
  if (encodedLength({ ...request, headers }) <= LARGEST_OVER_UDP) return channel;
  return byStream(core, channel);
}

async function byStream(core: Core, channel: Channel): Promise<Channel> {
  const stream = await core.transport.streamTo(channel.peer);
  core.count(stream === undefined ? 'large-over-udp' : 'large-over-tcp');
  return stream ?? channel;
}

function looksLarge({ uri, headers, body }: SipRequest): boolean {
  let size = uri.length + body.length;
  for (const name in headers) {
    const value = headers[name];
    size += typeof value === 'string' ? value.length : Array.isArray(value) ? 100 * value.length : 50;
  }
  return size > WORTH_MEASURING;
}

/** How long peers that take no TCP are remembered, in milliseconds: each attempt holds up a call. */
const REMEMBER_MS = 10 * 60_000;
const MOST_REMEMBERED = 1000;

/** The peers of UDP that cannot be reached by TCP. */
export class UdpOnly {
  readonly #until = new Map<string, number>();

  has(peer: Peer): boolean {
    return (this.#until.get(keyOf(peer)) ?? 0) > Date.now();
  }

  note(peer: Peer): void {
    if (this.#until.size >= MOST_REMEMBERED) this.#until.clear();
    this.#until.set(keyOf(peer), Date.now() + REMEMBER_MS);
  }
}

function keyOf({ address, port }: Peer): string {
  return `${address} ${port}`;
}
