// The o= line of the descriptions that one party gets from the switch (RFC 8866 section 5.2, RFC 3264 section 8).
//
// Media moves between the other party and the media server, whose descriptions have origins of their own. Towards the
// party it is one session all the same: one origin, whose version counts up with each change, or the party may take what
// is new for what it knows already.

/** As it is kept across a restart of the switch. */
export interface SdpOriginState {
  /** Session id: digits. */
  id: string;
  version: number;
}

const ORIGIN = Buffer.from('\no=');
const NEWLINE = 0x0a;
const RETURN = 0x0d;

export class SdpOrigin {
  readonly #id: string;
  #version: number;
  #last: Buffer | undefined;

  /** @param state of an earlier life; what the party was told last is not known any more, so the version counts up */
  constructor(
    state: SdpOriginState = { id: `${Date.now()}${Math.floor(Math.random() * 1000)}`, version: 0 },
  ) {
    this.#id = state.id;
    this.#version = state.version;
  }

  get state(): SdpOriginState {
    return { id: this.#id, version: this.#version };
  }

  /** The description with this origin in place of its own; bytes without an o= line are returned as they are. */
  stamp(sdp: Buffer): Buffer {
    const start = sdp.indexOf(ORIGIN) + ORIGIN.length;
    if (start < ORIGIN.length) return sdp;
    const newline = sdp.indexOf(NEWLINE, start);
    if (newline < 0) return sdp;
    const end = sdp[newline - 1] === RETURN ? newline - 1 : newline;
    const address = addressOf(sdp.toString('latin1', start, end));
    const rest = sdp.subarray(end);
    const before = sdp.subarray(0, start);
    this.#count(Buffer.concat([before, Buffer.from(address), rest]));
    return Buffer.concat([before, Buffer.from(`- ${this.#id} ${this.#version} ${address}`), rest]);
  }

  #count(unversioned: Buffer): void {
    if (this.#last?.equals(unversioned)) return;
    this.#last = unversioned;
    this.#version += 1;
  }
}

/** `IN IP4 192.0.2.1` of `alice 1 1 IN IP4 192.0.2.1`: who made the description tells where it is. */
function addressOf(origin: string): string {
  let at = -1;
  for (let field = 0; field < 3; field++) {
    at = origin.indexOf(' ', at + 1);
    if (at < 0) return '';
  }
  return origin.slice(at + 1);
}
