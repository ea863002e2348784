// `grec dn import`, `grec dn export`: the DNs of a switch as a file, so that a thousand are made as easily as one.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { stringify } from 'smol-toml';
import * as v from 'valibot';
import {
  DN_TYPES,
  type DnType,
  displayName,
  password,
  SETTING_NAMES,
  settingEntries,
  settingsProblem,
} from '../dn-settings.ts';
import { GrecError, messageOf } from '../errors.ts';
import { NUMBER } from '../switch/strategy/pattern.ts';
import { checkToml, type Finding, invalidFile, isTable, oneOf, table } from '../toml-schema.ts';
import type { CliContext } from './context.ts';
import { askSwitch, type Dn } from './dn.ts';
import { EXIT } from './exit-codes.ts';
import { NewFile } from './new-file.ts';

export interface DnExportOptions {
  force?: boolean;
}

export interface DnImportOptions {
  dryRun?: boolean;
}

/** What the switch takes at once: a request has 1 MB at most. */
const BATCH = 1000;
const NUMBER_EXPECTED = 'expected a DN: 1 to 32 of digits, letters and + * # _ . -';

const optional = <const T extends v.GenericSchema>(schema: T) => v.optional(schema);
const fileSchema = v.strictObject({
  dn: v.optional(
    v.array(
      table({
        number: v.pipe(v.string(NUMBER_EXPECTED), v.regex(NUMBER, NUMBER_EXPECTED)),
        type: v.optional(oneOf(DN_TYPES), 'extension'),
        name: optional(displayName),
        password: optional(password),
        record: optional(settingEntries.record),
        'record-consult-calls': optional(settingEntries['record-consult-calls']),
        mandatory: optional(settingEntries.mandatory),
        'recording-filename': optional(settingEntries['recording-filename']),
        retention: optional(settingEntries.retention),
        anchor: optional(settingEntries.anchor),
        srtp: optional(settingEntries.srtp),
      }),
      'expected [[dn]] tables',
    ),
    [],
  ),
});
type FileDn = v.InferOutput<typeof fileSchema>['dn'][number];

interface Counts {
  created: number;
  changed: number;
  unchanged: number;
}

/**
 * Makes every DN of the file what it says, its password excepted when none is given; other DNs stay. Again, it changes nothing.
 * @throws GrecError CONFIG_INVALID with every mistake and its line, USAGE, DAEMON_NOT_RUNNING …
 */
export async function dnImport(
  context: CliContext,
  file: string,
  { dryRun = false }: DnImportOptions,
): Promise<number> {
  const dns = readDns(await readToml(context, file), file);
  const counts: Counts = { created: 0, changed: 0, unchanged: 0 };
  for (let first = 0; first < dns.length && !dryRun; first += BATCH) {
    const batch = dns.slice(first, first + BATCH).map(described);
    const done = await askSwitch<Counts>(context, 'PUT', '/dns', { dns: batch });
    counts.created += done.created;
    counts.changed += done.changed;
    counts.unchanged += done.unchanged;
  }
  if (context.json) context.printJson({ dns: dns.length, dryRun, ...counts });
  else if (dryRun) context.print(`${dns.length} DNs, no mistake; nothing changed`);
  else context.print(`${counts.created} added, ${counts.changed} changed, ${counts.unchanged} unchanged`);
  return EXIT.ok;
}

async function readToml(context: CliContext, file: string): Promise<string> {
  try {
    return file === '-' ? await text(context.stdin) : readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new GrecError('USAGE', `cannot read the file of DNs: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** @throws GrecError CONFIG_INVALID */
export function readDns(toml: string, file: string): FileDn[] {
  const { values, problems } = checkToml(fileSchema, toml, findMistakes);
  if (values !== undefined) return values.dn;
  throw invalidFile(file, problems, 'man grec-dn tells what a file of DNs may say; nothing was changed');
}

function findMistakes(raw: unknown): Finding[] {
  const dns = isTable(raw) && Array.isArray(raw['dn']) ? (raw['dn'] as unknown[]) : [];
  const seen = new Set<unknown>();
  return dns.flatMap((dn, index) => {
    if (!isTable(dn)) return [];
    const path = ['dn', index];
    const isRepeated = seen.has(dn['number']);
    seen.add(dn['number']);
    const repeated = { path: [...path, 'number'], message: `another DN has this number: ${dn['number']}` };
    return [...(isRepeated ? [repeated] : []), ...findMisfit(dn, path)];
  });
}

function findMisfit(dn: Record<string, unknown>, path: (string | number)[]): Finding[] {
  const type = DN_TYPES.find((candidate) => candidate === (dn['type'] ?? 'extension'));
  const problem = type && settingsProblem(type, dn, dn['password'] !== undefined);
  return problem === undefined ? [] : [{ path: [...path, 'type'], message: problem }];
}

function described({ number, type, password: secret, ...settings }: FileDn) {
  return { number, type, password: secret, settings };
}

/**
 * Writes every DN with what is said of it. Passwords are not known, and their hashes stay where they are.
 * @throws GrecError FILE_EXISTS, FILE_UNWRITABLE, DAEMON_NOT_RUNNING …
 */
export async function dnExport(
  context: CliContext,
  file: string | undefined,
  { force = false }: DnExportOptions,
): Promise<number> {
  const { dns } = await askSwitch<{ dns: Dn[] }>(context, 'GET', '/dns');
  const toml = `# ${dns.length} DNs, without their passwords\n${stringify({ dn: dns.map(said) })}\n`;
  if (file === undefined || file === '-') {
    context.stdout.write(toml);
    return EXIT.ok;
  }
  const target = resolve(file);
  const written = new NewFile(target, force);
  try {
    writeFileSync(written.path, toml);
    written.keep();
  } finally {
    written.discard();
  }
  if (context.json) context.printJson({ file: target, dns: dns.length });
  else context.print(`${dns.length} DNs written to ${target}`);
  return EXIT.ok;
}

function said({ number, type, name, settings }: Dn): { number: string; type: DnType } {
  const dn = { number, type };
  if (name !== null) Object.assign(dn, { name });
  for (const setting of SETTING_NAMES) {
    const value = settings[setting];
    if (value !== null && value !== undefined) Object.assign(dn, { [setting]: value });
  }
  return dn;
}
