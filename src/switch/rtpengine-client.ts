// A real rtpengine as media server: what it must be asked besides, and what its recordings must carry so that they can become
// segments of ours. It speaks of ports only in the descriptions that it rewrites, so these are read on their way.
import type { NgClient } from '../ng/client.ts';
import type { NgOk } from '../ng/reply.ts';
import type { NgAnswer, NgOffer, NgPing, NgRequest, NgStartRecording } from '../ng/request.ts';
import { audioOf, mediaAddress, rtpFormats } from '../sdp/offer-answer.ts';
import { parseSdp } from '../sdp/parse.ts';
import type { Format, RecordingMetadata, Stream } from '../spool/segment.ts';

type Client = Pick<NgClient, 'request' | 'close'>;

/** Where a party sends, and what. */
type Sending = Omit<Stream, 'label' | 'tag'>;

interface KnownCall {
  /** By tag: each port that the party was shown. */
  sendings: Map<string, Sending[]>;
  /** What the switch tells of the recording that runs, if one does. */
  metadata: string | undefined;
}

/** Seconds by which two readings of when it was started may differ. */
const CLOCK_TOLERANCE_S = 2;

/** Puts a client of a real rtpengine in the place of one of grec-mediad. */
export function rtpengineClient(client: Client): Client {
  const rtpengine = new Rtpengine(client);
  return {
    request: (request, timeoutMs) => rtpengine.request(request, timeoutMs),
    close: () => client.close(),
  };
}

class Rtpengine {
  readonly #client: Client;
  readonly #calls = new Map<string, KnownCall>();
  /** When it was started, in seconds of the monotonic clock. */
  #startedAt: number | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  async request(request: NgRequest, timeoutMs?: number): Promise<NgOk> {
    switch (request.command) {
      case 'ping':
        return this.#ping(request, timeoutMs);
      case 'offer':
      case 'answer':
        return this.#describe(request, timeoutMs);
      case 'start recording':
        this.#knownOf(request['call-id']).metadata = request.metadata;
        return this.#record(request, timeoutMs);
      case 'stop recording':
        this.#knownOf(request['call-id']).metadata = undefined;
        return this.#client.request(request, timeoutMs);
      case 'delete':
        this.#calls.delete(request['call-id']);
        return this.#client.request(request, timeoutMs);
      default:
        return this.#client.request(request, timeoutMs);
    }
  }

  #knownOf(id: string): KnownCall {
    const known = this.#calls.get(id) ?? { sendings: new Map(), metadata: undefined };
    this.#calls.set(id, known);
    return known;
  }

  /** It names no instance; when it was started stands for it. */
  async #ping(request: NgPing, timeoutMs: number | undefined): Promise<NgOk> {
    const pong = await this.#client.request(request, timeoutMs);
    const { statistics } = await this.#client.request({ command: 'statistics' }, timeoutMs);
    // Digits in a string, in the versions that Debian has.
    const uptimeS = Number(statistics?.totalstatistics?.uptime);
    if (!Number.isFinite(uptimeS)) return pong;
    const startedAt = performance.now() / 1000 - uptimeS;
    const isSame = Math.abs(startedAt - (this.#startedAt ?? Number.NaN)) <= CLOCK_TOLERANCE_S;
    if (!isSame) this.#startedAt = startedAt;
    return { ...pong, instance: `${this.#startedAt}` };
  }

  async #describe(request: NgOffer | NgAnswer, timeoutMs: number | undefined): Promise<NgOk> {
    const { 'feature-codes': _codes, ...rest } = request;
    // What grec-mediad does unasked: the parties are shown one pair of ports, and strangers are not heard.
    const asked = { ...rest, ICE: 'remove', 'rtcp-mux': ['demux'], flags: ['strict-source'] };
    const reply = await this.#client.request(asked, timeoutMs);
    const known = this.#knownOf(request['call-id']);
    const shownTo = request.command === 'offer' ? request['to-tag'] : request['from-tag'];
    if (shownTo !== undefined) this.#learn(known, shownTo, reply.sdp);
    if (request['record call'] === 'yes') known.metadata = request.metadata;
    if (request.command === 'answer') await this.#refresh(request['call-id'], known, timeoutMs);
    return reply;
  }

  /** A party sends to the port that it is shown, and what it is told to (RFC 3264 section 6.1). */
  #learn({ sendings }: KnownCall, tag: string, text: string | undefined): void {
    const parsed = parseSdp(text ?? '');
    const audio = parsed.ok ? audioOf(parsed.sdp) : undefined;
    const place = parsed.ok && audio !== undefined ? mediaAddress(parsed.sdp, audio) : undefined;
    if (audio === undefined || place === undefined) return;
    const before = sendings.get(tag) ?? [];
    const formats = merge(rtpFormats(audio), before[0]?.formats ?? []);
    const others = before.filter(({ rtpPort }) => rtpPort !== place.rtpPort);
    sendings.set(tag, [{ ...place, formats }, ...others.map((other) => ({ ...other, formats }))]);
  }

  /** What a recording that runs carries follows the call. Whether that is granted is asked when the recording begins. */
  async #refresh(id: string, { metadata }: KnownCall, timeoutMs: number | undefined): Promise<void> {
    if (metadata === undefined) return;
    const request: NgStartRecording = { command: 'start recording', 'call-id': id, metadata };
    await this.#record(request, timeoutMs).catch(() => undefined);
  }

  async #record(request: NgStartRecording, timeoutMs: number | undefined): Promise<NgOk> {
    const known = this.#knownOf(request['call-id']);
    if (known.sendings.size < 2) await this.#ask(request['call-id'], known, timeoutMs);
    const metadata = withStreams(request.metadata, known);
    return this.#client.request({ ...request, ...(metadata === undefined ? {} : { metadata }) }, timeoutMs);
  }

  /** A call of an earlier life of the switch: its ports are asked for. */
  async #ask(id: string, { sendings }: KnownCall, timeoutMs: number | undefined): Promise<void> {
    const { tags = {} } = await this.#client.request({ command: 'query', 'call-id': id }, timeoutMs);
    for (const [tag, { medias }] of Object.entries(tags)) {
      const [rtp, rtcp] = medias[0]?.streams ?? [];
      const { 'local port': rtpPort, 'local address': address = '' } = rtp ?? {};
      if (rtpPort === undefined || sendings.has(tag)) continue;
      const rtcpPort = rtcp?.['local port'] ?? rtpPort + 1;
      sendings.set(tag, [{ address, rtpPort, rtcpPort, formats: [] }]);
    }
  }
}

function merge(now: Format[], before: readonly Format[]): Format[] {
  const types = new Set(now.map(({ payloadType }) => payloadType));
  return [...now, ...before.filter(({ payloadType }) => !types.has(payloadType))];
}

/** The metadata of the switch, as an rtpengine is told it. */
function withStreams(text: string | undefined, { sendings }: KnownCall): string | undefined {
  if (text === undefined) return undefined;
  const metadata = JSON.parse(text) as RecordingMetadata;
  const streams = metadata.parties.flatMap(({ label, tag }) =>
    (sendings.get(tag) ?? []).map((sending): Stream => ({ label, tag, ...sending })),
  );
  return JSON.stringify({ ...metadata, streams });
}
