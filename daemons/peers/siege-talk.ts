// The live calls of a siege: phones that talk all through it, and proof that they were heard and recorded to the sample.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { openCatalogReader } from '../../src/catalog/catalog.ts';
import { silentLogger } from '../../src/log.ts';
import type { Protocol } from '../../src/sip/user-agent.ts';
import { findAudio } from '../../src/testing/compare.ts';
import { toLinear } from '../../src/testing/dialogue.ts';
import { createPhone, type Phone, type PhoneCall } from '../../src/testing/phone.ts';
import { type Installation, readChannels } from './installation.ts';

const RATE_HZ = 8000;
const LONGEST_TALK_S = 1800;
/** Recorded, and who calls them, by protocol. */
const PAIRS: [string, Protocol, string, Protocol][] = [
  ['7001', 'udp', '7002', 'udp'],
  ['7003', 'tls', '7004', 'tcp'],
];

interface Talk {
  dn: string;
  caller: PhoneCall;
  callee: PhoneCall;
}

export interface Proof {
  /** Channels that hold exactly what their phone sent; four when all is well. */
  exactChannels: number;
  differences: string[];
  /** RTP packets of strangers that a phone heard. */
  strangersHeard: number;
}

export class Talks {
  readonly #installation: Installation;
  readonly #phones: Phone[] = [];
  readonly #talks: Talk[] = [];
  #audio: Buffer = Buffer.alloc(0);
  #speaking: [PhoneCall, Promise<{ samples: number }>][] = [];

  constructor(installation: Installation) {
    this.#installation = installation;
  }

  /** Two calls are up, and all four parties speak. */
  async begin(seed: number): Promise<void> {
    for (const [agent, agentBy, customer, customerBy] of PAIRS) {
      const to = await this.#phone(agent, agentBy);
      const from = await this.#phone(customer, customerBy);
      const caller = await from.call(agent);
      const callee = await to.nextCall();
      await Promise.all([caller.outcome, callee.outcome]);
      this.#talks.push({ dn: agent, caller, callee });
    }
    this.#audio = noise(`${seed}`);
    this.#speaking = this.#talks.flatMap(({ caller, callee }) => [
      [caller, caller.speak(this.#audio)] as [PhoneCall, Promise<{ samples: number }>],
      [callee, callee.speak(this.#audio.toReversed())] as [PhoneCall, Promise<{ samples: number }>],
    ]);
  }

  async #phone(number: string, protocol: Protocol): Promise<Phone> {
    const { sip, tls, addDn } = this.#installation;
    await addDn(number, `secret-${number}`, { record: Number(number) % 2 === 1 });
    const { certificate, key } = tls.authority.issue();
    const phone = await createPhone({
      number,
      password: `secret-${number}`,
      registrar: { host: sip.host, port: protocol === 'tls' ? tls.port : sip.port, protocol },
      listenHost: '127.0.0.1',
      tls: { certificate, key, ca: tls.authority.certificate, verifyClients: false, verifyServers: true },
      log: silentLogger(),
    });
    this.#phones.push(phone);
    const { status } = await phone.register();
    if (status !== 200) throw new Error(`${number}: ${status}`);
    return phone;
  }

  /** What somebody who has nearly seen the calls knows of them. */
  get targets() {
    return this.#talks.flatMap(({ caller, callee }) =>
      [caller, callee].flatMap(({ callId, tags }) => (tags === undefined ? [] : [{ callId, tags }])),
    );
  }

  /** Hangs up, and compares. */
  async end(): Promise<Proof> {
    for (const [call] of this.#speaking) call.media.stop();
    const spoken = await Promise.all(
      this.#speaking.map(async ([call, sent]) => ({ call, samples: (await sent).samples })),
    );
    const strangersHeard = this.#speaking.reduce(
      (sum, [call]) => sum + call.media.receiver.streams.length - 1,
      0,
    );
    for (const { caller } of this.#talks) await caller.hangup();
    const samplesOf = (call: PhoneCall) => spoken.find((one) => one.call === call)?.samples ?? 0;
    const differences = await this.#compare(samplesOf);
    await Promise.all(this.#phones.map((phone) => phone.close()));
    return { exactChannels: 2 * PAIRS.length - differences.length, differences, strangersHeard };
  }

  async #compare(samplesOf: (call: PhoneCall) => number): Promise<string[]> {
    const { paths } = this.#installation.config;
    const catalog = openCatalogReader(paths.catalog);
    const rows = await this.#installation.until('the live calls are recorded', async () => {
      // Hostile calls leave rows too, by the thousand.
      const found = catalog
        .list({ limit: 100_000 })
        .filter(({ dn }) => this.#talks.some((talk) => talk.dn === dn));
      return found.length < this.#talks.length ? undefined : found;
    });
    catalog.close();
    return this.#talks.flatMap(({ dn, caller, callee }) => {
      const row = rows.find((one) => one.dn === dn);
      if (row?.path == null) return [`${dn}: ${row?.state} ${row?.reason}`];
      const channels = readChannels(join(paths.archive, row.path, 'audio.wav'));
      const wanted = [
        this.#audio.toReversed().subarray(0, samplesOf(callee)),
        this.#audio.subarray(0, samplesOf(caller)),
      ];
      return wanted.flatMap((audio, index) => {
        const found = findAudio(channels[index] ?? new Int16Array(), toLinear(audio));
        const name = index === 0 ? 'agent' : 'customer';
        return found.exact ? [] : [`${dn} ${name}: ${JSON.stringify(found)} of ${audio.length}`];
      });
    });
  }
}

/** Bytes without any likeness to each other, the same for the same seed. */
function noise(seed: string): Buffer {
  return createHash('shake256', { outputLength: LONGEST_TALK_S * RATE_HZ })
    .update(seed)
    .digest();
}
