// The media servers that the switch may use: which of them live, and what becomes of the calls of one that does not.
//
// Each is pinged four times a second. One that misses three pings in a row is dead; one whose pong names another instance
// has been started again, and knows none of its calls.
import { isIPv6 } from 'node:net';
import { GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { NgClient } from '../ng/client.ts';
import { anchoredMedia, type CallMedia } from './call-media.ts';
import type { CallContext, Legs } from './call-model.ts';
import type { Leg } from './leg.ts';

const PING_INTERVAL_MS = 250;
const MOST_MISSES = 3;
/** A ping that this process itself came too late to hear says nothing of the server. */
const LATENESS_MS = 200;

export interface MediaServerAddress {
  host: string;
  port: number;
}

export interface MediaServersOptions {
  /** In the order in which they are used. */
  clients: readonly { address: MediaServerAddress; ng: Pick<NgClient, 'request' | 'close'> }[];
  log: Logger;
  /** A server is gone, with every call that it held. */
  onLost(server: MediaServer, reason: string): void;
  /** A server that was gone can be used. */
  onFound(server: MediaServer): void;
  /** What agents may dial in a call. */
  featureCodes?(): readonly string[];
  /** What is said of SRTP with a party. */
  srtpOf?: CallContext['srtpOf'];
  pingIntervalMs?: number;
}

export class MediaServer {
  readonly name: string;
  readonly ng: Pick<NgClient, 'request' | 'close'>;
  /** Until it is known to be dead it is tried. */
  isAlive = true;
  /** Counts its lives: media that was anchored in an earlier one is gone. */
  life = 0;
  #instance: string | undefined;
  #misses = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  readonly #options: MediaServersOptions;

  constructor({ host, port }: MediaServerAddress, ng: MediaServer['ng'], options: MediaServersOptions) {
    this.name = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
    this.ng = ng;
    this.#options = options;
  }

  watch(): void {
    if (this.#isClosed) return;
    const interval = this.#options.pingIntervalMs ?? PING_INTERVAL_MS;
    this.#timer = setTimeout(() => void this.#ping(interval), interval).unref();
  }

  async #ping(interval: number): Promise<void> {
    const sentAt = performance.now();
    try {
      const { instance } = await this.ng.request({ command: 'ping' }, interval);
      this.#hear(instance);
    } catch (thrown) {
      if (performance.now() - sentAt < interval + LATENESS_MS) this.#miss(thrown);
    }
    this.watch();
  }

  #hear(instance: string | undefined): void {
    this.#misses = 0;
    const wasKnown = this.#instance;
    this.#instance = instance;
    if (this.isAlive && wasKnown !== undefined && instance !== wasKnown)
      return this.#lose('it was started again', true);
    if (this.isAlive) return;
    this.isAlive = true;
    this.#options.log.info({ mediaServer: this.name }, 'the media server answers');
    this.#options.onFound(this);
  }

  #miss(thrown: unknown): void {
    this.#misses += 1;
    if (this.isAlive && this.#misses >= MOST_MISSES) this.#lose(messageOf(thrown));
  }

  /** @param isBack it has its calls no more, and can take them again */
  #lose(reason: string, isBack = false): void {
    if (this.#isClosed) return;
    this.isAlive = isBack;
    this.life += 1;
    this.#options.log.error(
      {
        mediaServer: this.name,
        alarm: 'media-server-lost',
        hint: 'its calls are moved; `grec status` shows it',
      },
      `the media server is lost: ${reason}`,
    );
    this.#options.onLost(this, reason);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.ng.close();
  }
}

/** The id of the call that has this name in the ng protocol. */
export function callOfName(name: string): string {
  return name.split('.', 1)[0] ?? '';
}

/** Where a call's media is anchored. */
interface Anchor {
  server: MediaServer;
  life: number;
  /** The call's name there. */
  name: string;
}

/** The same as JSON. */
export interface StoredAnchor {
  /** Address and port. */
  server: string;
  name: string;
}

/** A call must not wait for servers that are known to be dead. */
const NO_SERVER: Pick<NgClient, 'request'> = {
  request: async () => {
    throw new GrecError('NG_TIMEOUT', 'no media server answers', {
      hint: 'start grec-mediad; [media] server in the configuration says where it is looked for',
    });
  },
};

export class MediaServers {
  readonly #servers: MediaServer[];
  readonly #options: MediaServersOptions;
  readonly #anchors = new WeakMap<CallMedia, Anchor>();
  /** Each anchoring after the first one of a call has a name of its own: what is late of an earlier one cannot end it. */
  readonly #anchored = new WeakSet<Leg>();
  /** Tells the names of this life from those of others. */
  readonly #prefix = `${Date.now().toString(36)}-`;
  #serial = 0;

  constructor(options: MediaServersOptions) {
    this.#options = options;
    this.#servers = options.clients.map(({ address, ng }) => new MediaServer(address, ng, options));
    for (const server of this.#servers) server.watch();
  }

  /** The first one that lives, or undefined. */
  get living(): MediaServer | undefined {
    return this.#servers.find(({ isAlive }) => isAlive);
  }

  /** Media for a call on the first server that lives; when none does, media that refuses at once. */
  anchor(call: string, legs: Legs): CallMedia {
    const server = this.living;
    const isFirst = !this.#anchored.has(legs.a) && !this.#anchored.has(legs.b);
    const name = isFirst ? call : `${call}.${this.#prefix}${++this.#serial}`;
    this.#anchored.add(legs.a).add(legs.b);
    const media = this.#mediaAt(server, name, legs);
    if (server !== undefined) this.#anchors.set(media, { server, life: server.life, name });
    return media;
  }

  #mediaAt(server: MediaServer | undefined, name: string, legs: Legs): CallMedia {
    const { featureCodes, srtpOf } = this.#options;
    return anchoredMedia(server?.ng ?? NO_SERVER, name, legs, featureCodes?.(), srtpOf);
  }

  anchorOf(media: CallMedia): StoredAnchor | undefined {
    const anchor = this.#anchors.get(media);
    return anchor && { server: anchor.server.name, name: anchor.name };
  }

  /** The media of an earlier life; that of a server which is not used any more is lost. */
  restore({ server: wanted, name }: StoredAnchor, legs: Legs): CallMedia {
    const server = this.#servers.find((candidate) => candidate.name === wanted);
    this.#anchored.add(legs.a).add(legs.b);
    const media = this.#mediaAt(server, name, legs);
    const [first] = this.#servers;
    const known = server ?? first;
    if (known !== undefined)
      this.#anchors.set(media, { server: known, life: server === undefined ? -1 : server.life, name });
    return media;
  }

  /** The server has been asked, and does not know the call. */
  disown(media: CallMedia): void {
    const anchor = this.#anchors.get(media);
    if (anchor !== undefined) this.#anchors.set(media, { ...anchor, life: -1 });
  }

  /**
   * The server says that it has lost the call of this name.
   * @returns whether it is this media; a call that was anchored anew meanwhile has another name
   */
  noteLoss(media: CallMedia, name: string): boolean {
    if (this.#anchors.get(media)?.name !== name || this.isLost(media)) return false;
    this.disown(media);
    return true;
  }

  /** True when the server that held it lost it. */
  isLost(media: CallMedia): boolean {
    const anchor = this.#anchors.get(media);
    return anchor !== undefined && anchor.server.life !== anchor.life;
  }

  /** Frees what they hold of a call of an earlier life. Not waited for: one that is away must not hold up anything. */
  forget(call: string): void {
    for (const { ng } of this.#servers)
      void ng.request({ command: 'delete', 'call-id': call }).catch(() => undefined);
  }

  status(): { server: string; alive: boolean }[] {
    return this.#servers.map(({ name, isAlive }) => ({ server: name, alive: isAlive }));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#servers.map((server) => server.close()));
  }
}
