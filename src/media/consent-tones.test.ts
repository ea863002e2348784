// When calls are told: at once, at intervals, and not when they are over; a new configuration is obeyed.
import t from 'tap';
import type { ConsentTone } from '../consent-tone.ts';
import { type Announced, ConsentTones } from './consent-tones.ts';

const TONE: ConsentTone = {
  sound: { encoding: 'PCMU', bytes: Buffer.alloc(80, 1) },
  parties: 'all',
  intervalMs: 30_000,
  isRecorded: false,
};

class Clock {
  at = 0;
  timers = 0;
  #next: { at: number; run: () => void } | undefined;
  now(): number {
    return this.at;
  }
  after(ms: number, run: () => void): () => void {
    const own = { at: this.at + ms, run };
    this.#next = own;
    this.timers += 1;
    return () => {
      if (this.#next === own) this.#next = undefined;
    };
  }
  get isWaiting(): boolean {
    return this.#next !== undefined;
  }
  to(at: number): void {
    while (this.#next !== undefined && this.#next.at <= at) {
      const { run, at: due } = this.#next;
      this.#next = undefined;
      this.at = due;
      run();
    }
    this.at = at;
  }
}

function setUp(tone: ConsentTone | undefined = TONE) {
  const clock = new Clock();
  const told: string[] = [];
  const tones = new ConsentTones(tone, clock);
  const call = (name: string): Announced => ({
    announce: ({ sounds }) => told.push(`${name}@${clock.at}${sounds.PCMU.bytes[0] === 1 ? '' : '!'}`),
  });
  return { clock, tones, told, call };
}

t.test('at the beginning and at intervals, each call by itself, with one timer', async (t) => {
  const { clock, tones, told, call } = setUp();
  const [a, b] = [call('a'), call('b')];
  tones.begin(a);
  clock.to(10_000);
  tones.begin(b);
  tones.begin(a);
  clock.to(65_000);
  t.same(told, ['a@0', 'b@10000', 'a@30000', 'b@40000', 'a@60000']);
  tones.end(a);
  clock.to(100_000);
  t.same(told.slice(5), ['b@70000', 'b@100000']);
  tones.end(b);
  t.notOk(clock.isWaiting);
  tones.begin(a);
  tones.stop();
  t.notOk(clock.isWaiting);
});

t.test('a new interval, another tone and none hold from the reading on', async (t) => {
  const { clock, tones, told, call } = setUp();
  tones.begin(call('a'));
  clock.to(1000);
  tones.use({ ...TONE, sound: { encoding: 'PCMU', bytes: Buffer.alloc(80, 2) }, intervalMs: 1500 });
  clock.to(4000);
  t.same(told, ['a@0', 'a@2500!', 'a@4000!']);
  tones.use(undefined);
  tones.begin(call('b'));
  clock.to(100_000);
  t.equal(told.length, 3);
  tones.use(TONE);
  clock.to(100_001);
  t.same(told.slice(3), ['a@100000', 'b@100000'], 'who is recorded already is told at once');
});
