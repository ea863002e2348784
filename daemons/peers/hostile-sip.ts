// Hostile SIP for a switch with calls up: well-formed where that gets it further in, aimed at the calls and at the switch itself.
import { Fuzzer, Random } from '../../src/sip/fuzz.ts';
import { hostileContact, hostileSdp, METHODS, NAMES, SESSION_IDS } from './hostile-words.ts';

/** A live call, as somebody who has nearly seen it knows it. */
export interface Target {
  callId: string;
  tags: { local: string; remote: string };
}

export interface HostileOptions {
  seed: number;
  /** The switch. */
  host: string;
  port: number;
  /** A number that is called. */
  number: string;
  targets: readonly Target[];
}

export class HostileSip {
  readonly #random: Random;
  readonly #fuzzer: Fuzzer;
  readonly #options: HostileOptions;
  #count = 0;

  constructor(options: HostileOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#fuzzer = new Fuzzer(options.seed);
  }

  /** From anybody: mutants, floods, near misses of live dialogs, responses that nobody asked for. */
  datagram(): Buffer {
    const kind = this.#random.below(10);
    if (kind < 4) return this.#fuzzer.datagram();
    if (kind < 6) return this.#flood();
    if (kind < 8) return this.#nearMiss();
    if (kind < 9) return this.#response();
    return this.#forgedCredentials();
  }

  stream(): Buffer[] {
    return this.#random.chance(70) ? this.#fuzzer.stream() : [this.#flood(), this.#nearMiss(), this.#flood()];
  }

  /** A message for a connection that shall live on, as a rule: mutants and all, but with a length that is right. */
  framed(): Buffer {
    const bytes = this.datagram();
    if (this.#random.chance(3)) return bytes;
    const end = bytes.indexOf('\r\n\r\n');
    const head = bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
    const body = end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 4);
    const others = head.split('\r\n').filter((line) => !/^(content-length|l)\s*:/i.test(line));
    const lines = [...others, `Content-Length: ${body.length}`, '', ''];
    return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), body]);
  }

  /** For a TLS port: what is no handshake, what nearly is one, and one that never ends. */
  noHandshake(): Buffer {
    const kind = this.#random.below(4);
    if (kind === 0) return this.datagram();
    if (kind === 1) return Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const length = this.#random.below(600);
    const hello = Array.from({ length }, () => this.#random.below(256));
    const record = [22, 3, this.#random.below(5), this.#random.below(3), this.#random.below(256)];
    return Buffer.from(kind === 2 ? [...record, 1, ...hello] : record);
  }

  /** A call that the switch will take from the sender, a trunk: everything in it that can be hostile is. */
  call(from: { host: string; port: number }): Buffer {
    const { number, host } = this.#options;
    return this.#request('INVITE', `sip:${number}@${host}`, {
      via: `${from.host}:${from.port}`,
      contact: this.#contact(),
      body: this.#sdp(),
      more: [
        ...(this.#random.chance(50) ? [`Record-Route: ${this.#contact().replace('>', ';lr>')}`] : []),
        `Session-ID: ${this.#random.pick(SESSION_IDS)}`,
      ],
    });
  }

  /** What a hostile callee says to an INVITE. */
  answer(invite: string): Buffer[] {
    const status = this.#random.pick([180, 183, 200, 200, 200, 302, 401, 486, 600, 0]);
    if (status === 0) return [];
    const final = this.#answerTo(invite, status);
    return this.#random.chance(30) ? [this.#answerTo(invite, 183), final, final] : [final];
  }

  /** What a polite callee says to any other request, so that a call can end. */
  agree(request: string): Buffer {
    return this.#answerTo(request, 200, '');
  }

  #contact(): string {
    return hostileContact(this.#random, this.#options);
  }

  #sdp(): string {
    return hostileSdp(this.#random, this.#options.host);
  }

  #flood(): Buffer {
    const { number, host, port } = this.#options;
    const uri = this.#random.pick([
      `sip:${number}@${host}`,
      `sip:${host}:${port}`,
      `sip:+1900@${host}`,
      'tel:112',
    ]);
    return this.#request(this.#random.pick(METHODS), uri, {
      via: `127.0.0.15:${1 + this.#random.below(65_535)}`,
      contact: this.#contact(),
      body: this.#random.chance(30) ? this.#sdp() : '',
      more: [`Session-ID: ${this.#random.pick(SESSION_IDS)}`],
    });
  }

  /** A request of a live dialog but for one thing. */
  #nearMiss(): Buffer {
    const { targets, host } = this.#options;
    const target = targets[this.#random.below(Math.max(1, targets.length))];
    if (target === undefined) return this.#flood();
    const { callId, tags } = target;
    const near = this.#random.pick([
      { callId: `${callId}x`, from: tags.local, to: tags.remote },
      { callId: callId.slice(1), from: tags.local, to: tags.remote },
      { callId, from: tags.remote, to: tags.local },
      { callId, from: tags.local, to: `${tags.remote}0` },
      { callId, from: `${tags.local}0`, to: tags.remote },
      { callId, from: tags.local, to: '' },
      {
        callId,
        from: tags.local.toUpperCase() === tags.local ? `${tags.local}A` : tags.local.toUpperCase(),
        to: tags.remote,
      },
    ]);
    return this.#request(this.#random.pick(METHODS), `sip:7001@${host}`, {
      via: '127.0.0.15:5060',
      contact: this.#contact(),
      body: this.#random.chance(50) ? this.#sdp() : '',
      more: [],
      ...near,
    });
  }

  #forgedCredentials(): Buffer {
    const { number, host } = this.#options;
    const nonce = this.#random.pick(['', 'x', 'A'.repeat(44), 'A'.repeat(5000)]);
    const uri = `sip:${host}`;
    return this.#request('REGISTER', uri, {
      via: '127.0.0.15:5060',
      contact: this.#contact(),
      body: '',
      more: [
        `Authorization: Digest username="${number}", realm="grec", nonce="${nonce}", uri="${uri}", response="${'0'.repeat(32)}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`,
      ],
    });
  }

  #response(): Buffer {
    const target = this.#random.pick(
      this.#options.targets.length > 0
        ? this.#options.targets
        : [{ callId: 'c', tags: { local: 'a', remote: 'b' } }],
    );
    const method = this.#random.pick(METHODS);
    return Buffer.from(
      [
        `SIP/2.0 ${this.#random.pick(['100', '180', '200', '481', '408', '503', '699'])} x`,
        `Via: SIP/2.0/UDP ${this.#options.host}:${this.#options.port};branch=z9hG4bK${this.#hex(32)}`,
        `From: <sip:a@h>;tag=${target.tags.local}`,
        `To: <sip:b@h>;tag=${target.tags.remote}`,
        `Call-ID: ${target.callId}`,
        `CSeq: ${1 + this.#random.below(3)} ${method}`,
        `Contact: ${this.#contact()}`,
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    );
  }

  #request(
    method: string,
    uri: string,
    parts: {
      via: string;
      contact: string;
      body: string;
      more: string[];
      callId?: string;
      from?: string;
      to?: string;
    },
  ): Buffer {
    this.#count += 1;
    const {
      via,
      contact,
      body,
      more,
      callId = `h${this.#count}-${this.#hex(8)}`,
      from = this.#hex(8),
      to = '',
    } = parts;
    const caller = this.#random.pick(['7001', '+4930', '%1b%5b2J', '%00', this.#options.number]);
    const lines = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${via};branch=z9hG4bK${this.#hex(16)}${this.#random.chance(50) ? ';rport' : ''}`,
      `Max-Forwards: ${this.#random.pick(['70', '70', '1', '0'])}`,
      `From: ${this.#random.pick(NAMES)} <sip:${caller}@h>;tag=${from}`,
      `To: <${uri}>${to === '' ? '' : `;tag=${to}`}`,
      `Call-ID: ${callId}`,
      `CSeq: ${1 + this.#random.below(5)} ${method}`,
      `Contact: ${contact}`,
      ...more,
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  #answerTo(request: string, status: number, body = this.#sdp()): Buffer {
    const header = (name: string) => new RegExp(`^${name}: *(.*)\\r$`, 'im').exec(request)?.[1] ?? '';
    const to = header('to');
    const lines = [
      `SIP/2.0 ${status} ${this.#random.pick(['OK', '', '\u202e', 'x'.repeat(500)])}`,
      ...[...request.matchAll(/^Via: .*(?=\r$)/gim)].map(([line]) => line),
      `From: ${header('from')}`,
      `To: ${to.includes('tag=') ? to : `${to};tag=h`}`,
      `Call-ID: ${header('call-id')}`,
      `CSeq: ${header('cseq')}`,
      ...(status >= 180 ? [`Contact: ${this.#contact()}`] : []),
      ...(this.#random.chance(30) ? [`Record-Route: ${this.#contact().replace('>', ';lr>')}`] : []),
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  #hex(length: number): string {
    return Array.from({ length }, () => this.#random.below(16).toString(16)).join('');
  }
}
