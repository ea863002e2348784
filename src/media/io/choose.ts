// Which engine a relay worker takes: the best one that proves on loopback that it works, or the one that is configured.
import { setTimeout as delay } from 'node:timers/promises';
import { GrecError, messageOf } from '../../errors.ts';
import { createDgramIo } from './dgram-io.ts';
import { createEpollIo } from './epoll-io.ts';
import type { DatagramReceiver, UdpIo } from './udp-io.ts';
import { createUringIo } from './uring-io.ts';
import { ENGINES, type EngineName } from './worker-protocol.ts';

/** A datagram on loopback takes microseconds. */
const PATIENCE_MS = 1000;
const HERE = '127.0.0.1';

export type Engines = Record<EngineName, () => Promise<UdpIo>>;

const ALL: Engines = {
  io_uring: createUringIo,
  epoll: createEpollIo,
  dgram: async () => createDgramIo(),
};

export interface Choice {
  engine: EngineName;
  io: UdpIo;
  /** Why this one, for an operator. */
  reason: string;
}

/**
 * @param except engines that have ended their process before
 * @param onTry told before each is tried
 * @throws GrecError ENGINE_UNUSABLE with what is wrong with each
 */
export async function chooseEngine(
  wanted: EngineName | 'auto',
  except: readonly EngineName[] = [],
  onTry: (engine: EngineName) => void = () => undefined,
  engines: Engines = ALL,
): Promise<Choice> {
  const failures: string[] = [];
  for (const engine of wanted === 'auto' ? ENGINES : [wanted]) {
    try {
      if (except.includes(engine)) throw new Error('it has ended its process');
      onTry(engine);
      const io = await provenIo(engines[engine]);
      return { engine, io, reason: reasonFor(wanted, failures) };
    } catch (thrown) {
      failures.push(`${engine} does not work here: ${messageOf(thrown)}`);
    }
  }
  const hint =
    wanted === 'auto'
      ? 'this machine cannot send UDP on 127.0.0.1'
      : 'leave out [mediad] engine, and the best one that works is taken';
  throw new GrecError('ENGINE_UNUSABLE', failures.join('; '), { hint });
}

function reasonFor(wanted: EngineName | 'auto', failures: string[]): string {
  if (wanted !== 'auto') return 'it is configured';
  return failures.length === 0 ? 'the fastest one' : failures.join('; ');
}

async function provenIo(create: () => Promise<UdpIo>): Promise<UdpIo> {
  const io = await create();
  try {
    await prove(io);
    return io;
  } catch (thrown) {
    await io.close();
    throw thrown;
  }
}

/** Two sockets of it hear each other, before they are connected and after. @throws Error with what went wrong */
export async function prove(io: UdpIo): Promise<void> {
  const [one, other] = [new Listener(), new Listener()];
  const first = await io.bind(HERE, 0, one);
  const second = await io.bind(HERE, 0, other);
  try {
    for (const isAlone of [false, true]) {
      first.aim({ address: HERE, port: second.port }, isAlone);
      second.aim({ address: HERE, port: first.port }, isAlone);
      const hello = Buffer.from(`loopback self-test ${isAlone}`);
      if (!first.send(hello, 0, hello.length)) throw new Error('the self-test could not send');
      await other.heard(`${hello} from ${HERE}:${first.port}`);
      if (!second.send(hello, 0, hello.length)) throw new Error('the self-test could not answer');
      await one.heard(`${hello} from ${HERE}:${second.port}`);
    }
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
}

class Listener implements DatagramReceiver {
  readonly #heard: string[] = [];
  #onHeard: () => void = () => undefined;

  receive(bytes: Buffer, start: number, end: number, address: string, port: number): void {
    this.#heard.push(`${bytes.toString('latin1', start, end)} from ${address}:${port}`);
    this.#onHeard();
  }

  receiveOversized(): void {}

  onUnreachable(): void {}

  onSendFailed(): void {}

  async heard(expected: string): Promise<void> {
    const patience = new AbortController();
    const time = delay(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    const came = new Promise<void>((resolve) => {
      this.#onHeard = resolve;
    });
    if (this.#heard.length === 0) await Promise.race([came, time]);
    patience.abort();
    const heard = this.#heard.shift();
    if (heard !== expected) throw new Error(`the self-test heard ${heard ?? 'nothing'} for ${expected}`);
  }
}
