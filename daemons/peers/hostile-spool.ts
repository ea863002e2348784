// Hostile spools and journals for a processor: what a failing disk, another program or an attacker with the files could leave there.
//
// Every round has one good call beside the hostile ones: whatever these are like, it must become its recording. What
// stands outside of the state directory must stay as it is, whatever links and names say.

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  callBegins,
  callEnds,
  captureOf,
  type FakeState,
  factsOf,
  metadataOf,
  T0,
  talk,
} from '../../src/processing/fixtures/segments.ts';
import { Random } from '../../src/sip/fuzz.ts';
import type { EventBody } from '../../src/spool/events.ts';
import { journalFileName } from '../../src/spool/journal-files.ts';
import { CAPTURE_FILE, FACTS_FILE } from '../../src/spool/segment.ts';

const END = T0 + 1_100_000;
const CAPTURE = captureOf([...talk({ label: 'a' }), ...talk({ label: 'b' })]);
const SPARSE_BYTES = 2 ** 29;

/** In place of a number that a fact or an event holds. */
const NUMBERS = [0, -1, 1.5, -0, 2 ** 31, 2 ** 53, 1e18, -1e18, 1e300, Number.MAX_VALUE, 5e-324];
/** In place of a text, and as the name of a key. */
const TEXTS = [
  '',
  '.',
  '..',
  '../../../../outside/pwned',
  '/etc/passwd',
  'a/b\\c',
  '\u0000',
  'line\nbreak\u2028',
  '\u001b]0;owned\u0007',
  '__proto__',
  'constructor',
  'x'.repeat(5000),
  '\ud800',
  '%s%n',
  "'; DROP TABLE recording; --",
  '00000000-0000-0000-0000-000000000000',
];
const FOLDERS = ['failed', '.hidden', '-rf', 'a b', 'ž李', 'x'.repeat(200), '%00', 'a\nb', '__proto__'];

/** Makes the hostile neighbours of good calls, reproducible from a seed. */
export class HostileSpool {
  readonly #random: Random;
  readonly #state: FakeState;
  readonly #outside: string;
  #count = 0;

  /** @param outside a folder that no grec has to do with; links lead there */
  constructor(seed: number, state: FakeState, outside: string) {
    this.#random = new Random(seed);
    this.#state = state;
    this.#outside = outside;
  }

  /** A call with everything as it should be. @returns its recording */
  goodCall(): string {
    const [call, recording] = [this.#id('ca'), this.#id('0d')];
    this.#state.append('grec-sipd', T0, ...callBegins(call, recording));
    this.#state.writeSegment(
      `good-${this.#count}`,
      { metadata: metadataOf(recording, call), closed: { at: END } },
      CAPTURE,
    );
    this.#state.append('grec-sipd', END, ...callEnds(call, recording));
    return recording;
  }

  /** Something that is wrong, somewhere. @returns in words what it is */
  wrong(): string {
    const kinds = [
      () => this.#mutatedFacts(),
      () => this.#mutatedFacts(),
      () => this.#mutatedCapture(),
      () => this.#mutatedCapture(),
      () => this.#oddFile(),
      () => this.#oddFolder(),
      () => this.#mutatedEvents(),
      () => this.#brokenLines(),
    ];
    return this.#random.pick(kinds)();
  }

  #id(kind: string): string {
    this.#count += 1;
    return `019aa000-0000-7000-80${kind}-${this.#count.toString(16).padStart(12, '0')}`;
  }

  #folder(name = `bad-${this.#count}`): string {
    const folder = this.#state.segmentFolder(name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** A call whose facts are those of a good one but for some values, keys, lines or bytes. */
  #mutatedFacts(): string {
    const [call, recording] = [this.#id('ca'), this.#id('0d')];
    const { opened, closed } = factsOf(`bad-${this.#count}`, {
      metadata: metadataOf(recording, call),
      closed: { at: END, lost: this.#random.below(3), packets: { a: 50, b: 50 } },
    });
    const more = [
      { type: 'media', at: T0 + 500_000, streams: opened.streams },
      { type: 'paused', at: T0 + 600_000 },
      { type: 'resumed', at: T0 + 700_000 },
    ].filter(() => this.#random.chance(40));
    // The fixtures share what they are made of.
    const facts: unknown[] = structuredClone([opened, ...more, closed]);
    for (let count = 1 + this.#random.below(3); count > 0; count--) this.#mutate(facts);
    let text = facts.map((fact) => `${JSON.stringify(fact)}\n`).join('');
    if (this.#random.chance(25)) text = this.#mangle(Buffer.from(text)).toString('latin1');
    const folder = this.#folder();
    writeFileSync(join(folder, CAPTURE_FILE), CAPTURE);
    writeFileSync(join(folder, FACTS_FILE), text);
    if (this.#random.chance(50)) this.#tell(call, recording);
    return `facts: ${text.slice(0, 3000)}`;
  }

  #mutatedCapture(): string {
    const [call, recording] = [this.#id('ca'), this.#id('0d')];
    let capture = this.#mangle(CAPTURE);
    for (let count = this.#random.below(4); count > 0; count--) capture = this.#mangle(capture);
    this.#state.writeSegment(
      `bad-${this.#count}`,
      { metadata: metadataOf(recording, call), closed: { at: END } },
      capture,
    );
    this.#tell(call, recording);
    return 'a mutated capture';
  }

  /** One of the two files of a segment is no file as one expects it. */
  #oddFile(): string {
    const [call, recording] = [this.#id('ca'), this.#id('0d')];
    const segment = `bad-${this.#count}`;
    const folder = this.#folder(segment);
    const [odd, other] = this.#random.chance(50) ? [CAPTURE_FILE, FACTS_FILE] : [FACTS_FILE, CAPTURE_FILE];
    const file = join(folder, odd);
    const kinds: Record<string, () => void> = {
      'a folder': () => mkdirSync(file),
      'a pipe': () => void execFileSync('mkfifo', [file]),
      'a link out of the state': () => symlinkSync(join(this.#outside, 'secret'), file),
      'a link to itself': () => symlinkSync(file, file),
      'a link to a folder': () => symlinkSync(this.#outside, file),
      'a device': () => symlinkSync('/dev/zero', file),
      'half an empty gigabyte': () => {
        writeFileSync(file, odd === CAPTURE_FILE ? CAPTURE : '');
        truncateSync(file, SPARSE_BYTES);
      },
      missing: () => undefined,
      empty: () => writeFileSync(file, ''),
    };
    const kind = this.#random.pick(Object.keys(kinds));
    kinds[kind]?.();
    const { opened, closed } = factsOf(segment, {
      metadata: metadataOf(recording, call),
      closed: { at: END },
    });
    const facts = `${JSON.stringify(opened)}\n${JSON.stringify(closed)}\n`;
    writeFileSync(join(folder, other), other === CAPTURE_FILE ? CAPTURE : facts);
    this.#tell(call, recording);
    return `${odd} is ${kind}`;
  }

  /** A folder of the spool that is none, or has an odd name. */
  #oddFolder(): string {
    const name = `${this.#random.pick(FOLDERS)}${this.#random.chance(50) ? this.#count : ''}`;
    const path = this.#state.segmentFolder(name);
    if (existsSync(path)) return 'nothing';
    const kind = this.#random.below(10);
    if (kind < 3) symlinkSync(this.#outside, path);
    else if (kind < 5) writeFileSync(path, 'a file');
    else this.#state.writeSegment(name, { closed: { at: END } }, CAPTURE);
    return `the folder ${JSON.stringify(name)}`;
  }

  /** The events of a call, with values that no switch writes. */
  #mutatedEvents(): string {
    const [call, recording] = [this.#id('ca'), this.#id('0d')];
    const events: unknown[] = structuredClone([...callBegins(call, recording), ...callEnds(call, recording)]);
    for (let count = 1 + this.#random.below(3); count > 0; count--) this.#mutate(events);
    const told = events.filter((event) => typeof event === 'object' && event !== null) as EventBody[];
    this.#state.append('grec-sipd', T0, ...told);
    return `events: ${JSON.stringify(told).slice(0, 2000)}`;
  }

  /** Lines of a journal that are none: what stands after them must be read all the same. */
  #brokenLines(): string {
    const daemon = this.#random.pick(['grec-sipd', 'grec-mediad'] as const);
    const folder = join(this.#state.directory, 'journal', daemon);
    mkdirSync(folder, { recursive: true });
    const line = this.#random.pick([
      '{"seq":',
      'null',
      '[]',
      '{}',
      '{"seq":1e300,"at":0,"daemon":"grec-sipd","type":"call.created"}',
      '{"seq":-1,"at":-1,"daemon":"x","type":"nothing"}',
      '\u0000'.repeat(300),
      '['.repeat(20_000),
      'x'.repeat(2_000_000),
      '\u00ff\u00fe',
      '',
    ]);
    appendFileSync(join(folder, journalFileName(1)), Buffer.from(`${line}\n`, 'latin1'));
    return `a line ${JSON.stringify(line.slice(0, 100))}`;
  }

  #tell(call: string, recording: string): void {
    this.#state.append('grec-sipd', T0, ...callBegins(call, recording), ...callEnds(call, recording));
  }

  /** Changes something anywhere in a tree of values. */
  #mutate(root: unknown[]): void {
    let [holder, key]: [Record<string, unknown>, string] = [{ root }, 'root'];
    for (;;) {
      const value = holder[key];
      if (typeof value !== 'object' || value === null || this.#random.chance(15)) break;
      const keys = Object.keys(value);
      if (keys.length === 0) break;
      [holder, key] = [value as Record<string, unknown>, this.#random.pick(keys)];
    }
    if (holder[key] === root) return void root.splice(this.#random.below(root.length), 1);
    if (this.#random.chance(10)) Reflect.deleteProperty(holder, key);
    else holder[key] = this.#hostile(holder[key]);
  }

  #hostile(value: unknown): unknown {
    const random = this.#random;
    if (random.chance(15)) return random.pick<unknown>([null, true, [], {}, '', 0]);
    if (typeof value === 'number')
      return random.chance(30) ? value + random.pick([-1e7, -1, 1, 1e7, 1e13]) : random.pick(NUMBERS);
    if (typeof value === 'string') return random.pick(TEXTS);
    if (Array.isArray(value))
      return random.chance(50) ? [...value, ...value] : Array.from({ length: 20_000 }, () => value[0]);
    return { ...(value as object), [random.pick(TEXTS)]: random.pick(TEXTS) };
  }

  #mangle(bytes: Buffer): Buffer {
    const random = this.#random;
    const copy = Buffer.from(bytes);
    const at = random.below(Math.max(1, copy.length));
    const kind = random.below(6);
    if (kind === 0) return copy.subarray(0, at);
    if (kind === 1) return Buffer.concat([copy.subarray(0, at), copy]);
    if (kind === 2) return Buffer.concat([copy.subarray(0, at), copy.subarray(at + random.below(200))]);
    if (kind === 3) copy.fill(random.pick([0, 0xff]), at, Math.min(copy.length, at + random.below(64)));
    else if (kind === 4 && copy.length >= at + 4)
      copy.writeUInt32LE(random.pick([0, 1, 0x7fff_ffff, 0xffff_ffff, 65_536]), at);
    else
      for (let count = 1 + random.below(20); count > 0; count--)
        copy[random.below(copy.length)] = random.below(256);
    return copy;
  }
}

/** Everything below a folder, with the contents of files: what must not change. */
export function snapshot(folder: string): Map<string, string> {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    found.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path, entry.isFile() ? readFileSync(path, 'latin1') : 'no file'] as const;
    }),
  );
}
