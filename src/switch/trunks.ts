// All trunks: which of them may carry a call, in which order, and which one a call comes from.
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import { type DigestAlgorithm, ha1 } from '../sip/digest.ts';
import type { UserAgent } from '../sip/user-agent.ts';
import type { Destination } from './route.ts';
import { Trunk } from './trunk.ts';
import type { TrunkHost } from './trunk-host.ts';
import { readTrunkPassword } from './trunk-password.ts';

export type TrunksConfig = Pick<Config, 'trunk'>;

export class Trunks {
  readonly #log: Logger;
  #trunks: readonly Trunk[];
  #userAgent: UserAgent | undefined;

  /** @throws GrecError CONFIG_INVALID */
  constructor(config: TrunksConfig, log: Logger) {
    this.#log = log;
    this.#trunks = this.#read(config);
  }

  #read({ trunk }: TrunksConfig, before: readonly Trunk[] = []): Trunk[] {
    return trunk.map((one) => {
      const password = readTrunkPassword(one);
      const same = before.find(
        (old) => old.password === password && JSON.stringify(old.config) === JSON.stringify(one),
      );
      return same ?? new Trunk(one, password, this.#log);
    });
  }

  start(userAgent: UserAgent): void {
    this.#userAgent = userAgent;
    for (const trunk of this.#trunks) trunk.start(userAgent);
  }

  /** Trunks that have not changed stay as they are. @throws GrecError CONFIG_INVALID, and nothing changes */
  reload(config: TrunksConfig): void {
    const before = this.#trunks;
    this.#trunks = this.#read(config, before);
    const lines = new Set(this.#trunks.map(({ line }) => line));
    for (const old of before) if (!this.#trunks.includes(old)) void old.stop(lines.has(old.line));
    for (const trunk of this.#trunks)
      if (!before.includes(trunk) && this.#userAgent !== undefined) trunk.start(this.#userAgent);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#trunks.map((trunk) => trunk.stop()));
  }

  get names(): string[] {
    return this.#trunks.map(({ config }) => config.name);
  }

  find(name: string): Trunk | undefined {
    return this.#trunks.find(({ config }) => config.name === name);
  }

  /** Whether a trunk is at this address, however its calls are known. */
  hasHost(address: string): boolean {
    return this.#trunks.some((trunk) => trunk.hasAddress(address));
  }

  byAddress(address: string): Trunk | undefined {
    return this.#trunks.find((trunk) => trunk.takes('address') && trunk.hasAddress(address));
  }

  byLine(user: string | undefined): Trunk | undefined {
    if (user === undefined) return undefined;
    return this.#trunks.find((trunk) => trunk.takes('registration') && trunk.line === user);
  }

  byUsername(username: string): Trunk | undefined {
    return this.#trunks.find((trunk) => trunk.takes('credentials') && trunk.config.username === username);
  }

  /** H(username:realm:password) of a trunk that calls with credentials. */
  ha1(username: string, algorithm: DigestAlgorithm, realm: string): string | undefined {
    const password = this.byUsername(username)?.password;
    return password === undefined ? undefined : ha1(username, realm, password, algorithm);
  }

  /**
   * Where a call to `number` may go out, in the order in which it is to be tried: the hosts of all trunks, or of that of this
   * name; those that do not answer only when there is no other. Empty when none allows the number.
   */
  placesOf(number: string, name?: string): Destination[] {
    const allowed = this.#trunks.filter(
      (trunk) => (name === undefined || trunk.config.name === name) && trunk.allowsOut(number),
    );
    const all = allowed.flatMap((trunk) => trunk.hosts.map((host) => ({ trunk, host })));
    const up = all.filter(({ host }) => host.isUp);
    return (up.length > 0 ? up : all).map(({ trunk, host }) => destination(trunk, host, number));
  }

  /** What `grec trunk` shows; no secret is in it. */
  status(): TrunkStatus[] {
    return this.#trunks.map((trunk) => ({
      name: trunk.config.name,
      transport: trunk.config.transport,
      hosts: trunk.hosts.map(({ peer: { address, port }, isUp }) => ({ address, port, up: isUp })),
      registration: trunk.state ?? null,
      inbound: (['address', 'credentials', 'registration'] as const).filter((way) => trunk.takes(way)),
      numbersIn: trunk.config['numbers-in'],
      numbersOut: trunk.config['numbers-out'],
      record: trunk.config.record,
    }));
  }
}

export interface TrunkStatus {
  name: string;
  transport: string;
  hosts: { address: string; port: number; up: boolean }[];
  registration: Trunk['state'] | null;
  inbound: string[];
  numbersIn: string[];
  numbersOut: string[];
  record: boolean;
}

function destination(trunk: Trunk, host: TrunkHost, number: string): Destination {
  const { config, credentials, line } = trunk;
  const fromNumber = config['from-number'];
  return {
    kind: 'trunk',
    trunk: { name: config.name, record: config.record },
    uri: trunk.uriOf(number, host),
    peer: host.peer,
    flow: undefined,
    terms: {
      credentials,
      contactUser: line,
      patienceMs: config.timeout * 1000,
      from: fromNumber === undefined ? undefined : trunk.uriOf(fromNumber, host),
      domain: config.domain,
      noteFailure: (status) => host.noteFailure(status),
    },
  };
}
