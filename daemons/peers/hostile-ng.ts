// Hostile ng requests for a media server with calls up: mutants, and near misses of live calls.
import { encodeNg } from '../../src/ng/message.ts';
import { Random } from '../../src/sip/fuzz.ts';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.15\r\ns=-\r\nc=IN IP4 127.0.0.15\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
const COMMANDS = [
  'ping',
  'offer',
  'answer',
  'delete',
  'query',
  'start recording',
  'stop recording',
  '__proto__',
];
const PIECES = ['i-0e', 'd', 'l', 'e', '99999:', '9007199254740993:', '9:__proto__', ' ', '\0', 'i1e', '0:'];

export class HostileNg {
  readonly #random: Random;
  readonly #calls: readonly string[];
  #count = 0;

  /** @param calls the switch's names of the live calls */
  constructor(seed: number, calls: readonly string[]) {
    this.#random = new Random(seed);
    this.#calls = calls;
  }

  /** Nothing here names a live call and its party exactly: who does so controls the call, by the protocol's design. */
  datagram(): Buffer {
    if (this.#random.chance(20)) return this.#stranger();
    let bytes = this.#nearMiss();
    for (let count = this.#random.below(4); count > 0; count--) bytes = this.#mutate(bytes);
    return bytes.subarray(0, 65_507);
  }

  get #live(): string {
    return this.#random.pick(this.#calls.length > 0 ? this.#calls : ['call']);
  }

  /** Of a live call, by somebody who is no party of it. */
  #stranger(): Buffer {
    const live = this.#live;
    this.#count += 1;
    const command = this.#random.pick(['query', 'delete', 'offer', 'answer']);
    const made = { command, 'call-id': live, 'from-tag': `${live}-c`, 'to-tag': `${live}-d`, sdp: SDP };
    return encodeNg(`s${this.#count}`, made);
  }

  #nearMiss(): Buffer {
    const random = this.#random;
    const id = random.pick([`${this.#live}xyz`, this.#live.slice(4), `made-up-${this.#count}`, '']);
    this.#count += 1;
    return encodeNg(random.pick([`c${this.#count}`, 'same', 'x'.repeat(300)]), {
      command: random.pick(COMMANDS),
      'call-id': id,
      'from-tag': 'tag-a',
      'to-tag': 'tag-b',
      // Sound offers would take the ports: few of them.
      sdp: random.chance(2)
        ? SDP
        : random.pick(['', 'v=0', SDP.replace('127.0.0.15', '239.0.0.1'), SDP.slice(0, random.below(90))]),
      metadata: random.pick(['{}', '{"recording":"../../x"}', '[', '']),
      'record call': random.pick(['yes', 'no']),
    });
  }

  #mutate(bytes: Buffer): Buffer {
    const random = this.#random;
    // What follows the cookie: with another cookie it would be a request of its own.
    const at = Math.min(bytes.length, 5 + random.below(bytes.length));
    const rest = bytes.subarray(at);
    const kind = random.below(4);
    if (kind === 0)
      return Buffer.concat([bytes.subarray(0, at), Buffer.of(random.below(256)), rest.subarray(1)]);
    if (kind === 1) return bytes.subarray(0, at);
    if (kind === 2) return Buffer.concat([bytes.subarray(0, at), Buffer.from(random.pick(PIECES)), rest]);
    return Buffer.concat([bytes.subarray(0, at), rest.subarray(random.below(8))]);
  }
}
