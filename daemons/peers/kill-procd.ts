// grec-procd killed again and again while calls are recorded and finished: afterwards every recording is there, once.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { verifyFiles } from '../../src/archive/read.ts';
import { Random } from '../../src/sip/fuzz.ts';
import { type Installation, install } from './installation.ts';
import { Outages } from './outages.ts';
import { CARRIER, compareAll, placeCalls } from './recorded-calls.ts';

/** Calls that are up at the same time. */
const CONCURRENT = 20;
const SECONDS = 3;
/** The longest life of a processor, in milliseconds: from its first instant to well into its work. */
const LONGEST_LIFE_MS = 1600;

export interface KillReport {
  seed: number;
  kills: number;
  calls: number;
  recordings: number;
  complete: number;
  exactChannels: number;
  differences: string[];
  /** What lies in spool and archive that should not. */
  leftovers: string[];
  /** Recordings whose files are not what their manifest says. */
  unverified: string[];
  /** Directories in the archive. */
  archived: number;
  alarms: number;
}

/** Runs calls for as long as it takes to kill the processor so many times, then looks at all that is left. */
export async function killProcessor(rounds: number, seed: number, calls: number): Promise<KillReport> {
  const directory = mkdtempSync(join(tmpdir(), 'grec-kill-'));
  const installation = await install({ mediaPorts: calls * 4 + 40, toml: CARRIER });
  const outages = new Outages(installation);
  try {
    const rate = CONCURRENT / (SECONDS + 1);
    const placed = await placeCalls({ calls, rate, seconds: SECONDS }, installation, directory);
    const random = new Random(seed);
    for (let round = 0; round < rounds; round += 1) {
      await delay(random.fraction() * LONGEST_LIFE_MS);
      await outages.kill('grec-procd');
      outages.launch('grec-procd');
    }
    await Promise.all([placed.caller.result, placed.callee.result]);
    const rows = await installation.recordings(calls);
    await installation.until('grec-procd answers', () => sync(installation));
    const { alarms } = await installation.ask<{ alarms: number }>('grec-procd', 'POST', '/sync');
    return {
      seed,
      kills: rounds,
      calls,
      ...compareAll(installation, rows, placed.sent),
      ...lookAround(installation),
      alarms,
    };
  } finally {
    await outages.end();
    await installation.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function sync(installation: Installation) {
  return installation.ask<object>('grec-procd', 'POST', '/sync').catch(() => undefined);
}

/** What stands in spool and archive once all is done. */
export function lookAround({ config: { paths } }: Installation) {
  const days = readdirSync(paths.archive, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /\d{4}\/\d{2}\/\d{2}$/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name));
  const staged = days.filter((path) => path.endsWith('.tmp'));
  const whole = days.filter((path) => !path.endsWith('.tmp'));
  return {
    leftovers: [...readdirSync(paths.spool), ...staged],
    unverified: whole.filter((path) => !verifyFiles(path).ok),
    archived: whole.length,
  };
}
