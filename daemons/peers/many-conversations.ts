// Many conversations at once, each of which becomes what a seed says, over bad networks, while grec-procd is killed and the disk of the
// archive is full: afterwards each is one recording, and each sample is where it belongs.
//
// It is the archive's disk that is full, not the spool's: nothing may be lost of a recording that cannot be written for a while, but what
// cannot even be captured is lost (full-disk.test.ts has that).
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openCatalogReader } from '../../src/catalog/catalog.ts';
import type { RecordingRow } from '../../src/catalog/rows.ts';
import { requireValidDocuments } from '../../src/testing/archived-documents.ts';
import { mountDisk, unmountDisk } from '../../src/testing/small-disk.ts';
import { type ConversationReport, checkConversation } from './conversation-check.ts';
import type { Diary } from './conversation-diary.ts';
import { playConversation } from './conversation-play.ts';
import { randomOf, writeScript } from './conversation-script.ts';
import { type Desk, Pacer, type Stage } from './conversation-stage.ts';
import { type ManyReport, wrongOnes } from './conversations-report.ts';
import { type Installation, install } from './installation.ts';
import { lookAround } from './kill-procd.ts';
import { Outages } from './outages.ts';
import { newPhone } from './phones.ts';

const GREC = join(import.meta.dirname, '..', '..', 'bin', 'grec.ts');
/** A kill comes at a random instant of so long a time after its turn has come, in milliseconds. */
const LONGEST_LIFE_MS = 1600;
/** How long a disk stays full after the processor has noticed. */
const FULL_MS = 3000;
const SETTLED_MS = 180_000;

export interface ManyOptions {
  seed: number;
  calls: number;
  kills: number;
  /** How often the disk is full. */
  full: number;
  /** Conversations at once. */
  desks: number;
  /** How many are so long that drifting clocks are followed. */
  long?: number;
  /** Of the archive's disk, as mount(8) has it; its own directory when left out, which needs full to be 0. */
  disk?: string;
  /** This conversation alone. */
  only?: number | undefined;
  say?(line: string): void;
}

export async function playMany(options: ManyOptions): Promise<ManyReport> {
  const run = new ManyConversations(options);
  try {
    await run.start();
    return await run.run();
  } finally {
    await run.stop();
  }
}

class ManyConversations {
  readonly #options: ManyOptions;
  readonly #pacer = new Pacer();
  readonly #ends: (() => unknown)[] = [];
  readonly #diaries: Diary[] = [];
  readonly #problems: string[] = [];
  readonly #beganAt = performance.now();
  #installation: Installation | undefined;
  #outages: Outages | undefined;
  #timesFull = 0;
  #kills = 0;

  constructor(options: ManyOptions) {
    this.#options = options;
  }

  get #at(): Installation {
    if (this.#installation === undefined) throw new Error('it has not been started');
    return this.#installation;
  }

  async start(): Promise<void> {
    const { desks, disk } = this.#options;
    this.#installation = await install({
      mediaPorts: desks * 24 + 40,
      prepare: (directory) => {
        if (disk !== undefined) mountDisk(join(directory, 'state', 'archive'), disk);
      },
    });
    this.#outages = new Outages(this.#installation);
  }

  async stop(): Promise<void> {
    this.#pacer.close();
    for (const end of this.#ends) await end();
    await this.#outages?.end();
    await this.#installation?.daemons.stop();
    if (this.#installation === undefined) return;
    const { archive } = this.#installation.config.paths;
    requireValidDocuments(archive);
    if (this.#options.disk !== undefined) unmountDisk(archive);
    await this.#installation.stop();
  }

  async run(): Promise<ManyReport> {
    const { desks, seed, calls, only } = this.#options;
    const places = await Promise.all(Array.from({ length: desks }, (_, index) => this.#desk(index)));
    const waiting = Array.from({ length: calls }, (_, index) => index).filter(
      (one) => only === undefined || one === only,
    );
    const [total, stage] = [waiting.length, { installation: this.#at, pacer: this.#pacer, seed }];
    const working = places.map((desk, index) => this.#work(stage, desk, waiting, index));
    const killing = this.#kill(total);
    const filling = this.#fillDisks(total);
    await Promise.all([...working, killing, filling]);
    this.#say('all conversations are over');
    await this.#untilSettled(total);
    this.#say('all recordings are there');
    return this.#report(total);
  }

  #say(line: string): void {
    this.#options.say?.(`${((performance.now() - this.#beganAt) / 1000).toFixed(0)} s: ${line}`);
  }

  async #desk(index: number): Promise<Desk> {
    const ends = { teardown: (step: () => unknown) => void this.#ends.push(step) };
    const isExpertRecorded = index % 2 === 1;
    return {
      customer: await newPhone(ends, this.#at),
      agent: await newPhone(ends, this.#at, { record: true }),
      expert: await newPhone(ends, this.#at, { record: isExpertRecorded }),
      isExpertRecorded,
    };
  }

  /** One conversation after the other, beginning apart from those of other desks. */
  async #work(stage: Stage, desk: Desk, waiting: number[], place: number): Promise<void> {
    const { long = 0 } = this.#options;
    await delay(place * 150);
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      const diary = await playConversation(stage, desk, writeScript(stage.seed, index, index < long));
      this.#diaries.push(diary);
      if (diary.problems.length > 0) this.#say(`conversation ${index}: ${diary.problems.join('; ')}`);
    }
  }

  /** Kills are spread over the conversations, each at a random instant of the processor's life. */
  async #kill(total: number): Promise<void> {
    const { kills, seed } = this.#options;
    const random = randomOf(seed, 3);
    for (; this.#kills < kills; this.#kills += 1) {
      await this.#untilOver((this.#kills / kills) * total * 0.95);
      await delay(random.fraction() * LONGEST_LIFE_MS);
      await this.#outages?.kill('grec-procd');
      this.#outages?.launch('grec-procd');
    }
  }

  async #fillDisks(total: number): Promise<void> {
    const { full } = this.#options;
    for (; this.#timesFull < full; this.#timesFull += 1) {
      await this.#untilOver(((this.#timesFull + 0.3) / full) * total);
      await this.#fillDisk();
    }
  }

  async #fillDisk(): Promise<void> {
    const { log, config, until } = this.#at;
    const filler = join(config.paths.archive, 'filler');
    const refusals = () => log.filter((line) => line.includes('"alarm":"archive"')).length;
    const before = refusals();
    await promisify(execFile)('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k']).catch(() => undefined);
    this.#say('the disk is full');
    await until('the full disk is noticed', async () => (refusals() > before ? true : undefined));
    await delay(FULL_MS);
    rmSync(filler);
    this.#say('there is space again');
  }

  async #untilOver(conversations: number): Promise<void> {
    while (this.#diaries.length < conversations) await delay(50);
  }

  /** Resolves when the processor has nothing left to do, or after three minutes. */
  async #untilSettled(total: number): Promise<void> {
    const limit = performance.now() + SETTLED_MS;
    for (let quiet = 0; quiet < 3; ) {
      await delay(200);
      const status = await this.#at
        .ask<Record<'backlog' | 'openSegments' | 'processing' | 'recordings', number>>(
          'grec-procd',
          'POST',
          '/sync',
        )
        .catch(() => undefined);
      const isQuiet = status !== undefined && status.backlog + status.openSegments + status.processing === 0;
      quiet = isQuiet && status.recordings >= total ? quiet + 1 : 0;
      if (performance.now() < limit) continue;
      this.#problems.push(`it has not settled: ${JSON.stringify(status)}`);
      return;
    }
  }

  async #report(conversations: number): Promise<ManyReport> {
    const { config } = this.#at;
    const { rows, alarms } = this.#listed(conversations);
    const reports = this.#diaries.map((diary) => checkConversation(diary, rows, config.paths.archive));
    const sum = (count: (report: ConversationReport) => number) =>
      reports.reduce((total, report) => total + count(report), 0);
    const sessions = new Set(this.#diaries.map(({ sessionId }) => sessionId));
    const acts = JSON.stringify(this.#diaries.map(({ script }) => script.acts));
    const actsOf = (pattern: RegExp) => acts.match(pattern)?.length ?? 0;
    return {
      seed: this.#options.seed,
      conversations,
      kills: this.#kills,
      timesFull: this.#timesFull,
      recordings: rows.length,
      complete: rows.filter(({ state }) => state === 'complete').length,
      packets: {
        due: sum(({ due }) => due),
        found: sum(({ found }) => found),
        passed: sum(({ passed }) => passed),
      },
      worstMs: Math.max(0, ...reports.map(({ worstMs }) => Math.abs(worstMs))),
      slips: sum(({ slips }) => slips),
      transfers: actsOf(/"(blind|attended)"/g),
      holds: actsOf(/"hold"/g),
      pauses: actsOf(/"pause"/g),
      wrong: wrongOnes(this.#diaries, reports),
      strangers: rows.filter(({ sessionId }) => !sessions.has(sessionId ?? '')).map(({ id }) => id),
      ...lookAround(this.#at),
      verify: await this.#grec('verify', '--all'),
      reconcile: await this.#grec('reconcile'),
      alarms: this.#logged(),
      unexpectedAlarms: alarms,
      problems: this.#problems,
      seconds: Math.round((performance.now() - this.#beganAt) / 1000),
    };
  }

  #listed(conversations: number): { rows: RecordingRow[]; alarms: string[] } {
    const catalog = openCatalogReader(this.#at.config.paths.catalog);
    try {
      const alarms = catalog.alarms(1000);
      const isExpected = (subject: string) => subject === 'archive' && this.#timesFull > 0;
      return {
        rows: catalog.list({ limit: conversations * 2 + 100 }),
        alarms: alarms
          .filter(({ subject }) => !isExpected(subject))
          .map(({ subject, message }) => `${subject}: ${message}`),
      };
    } finally {
      catalog.close();
    }
  }

  #logged(): Record<string, number> {
    const names = this.#at.log.flatMap((line) => /"alarm":"([^"]+)"/.exec(line)?.[1] ?? []);
    return Object.fromEntries(
      [...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]),
    );
  }

  /** Runs the command line as an operator does. */
  async #grec(...words: string[]): Promise<{ status: number; said: string }> {
    const argv = [GREC, '--config', this.#at.configFile, ...words];
    return promisify(execFile)(process.execPath, argv, { maxBuffer: 1e8 }).then(
      ({ stdout, stderr }) => ({ status: 0, said: `${stdout}${stderr}`.trim().slice(-500) }),
      (thrown: { code?: number; stdout?: string; stderr?: string }) => ({
        status: thrown.code ?? -1,
        said: `${thrown.stdout}${thrown.stderr}`.trim().slice(0, 2000),
      }),
    );
  }
}
