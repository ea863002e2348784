// Verifying an archive, or some recordings of it: from its files alone, without a daemon, a catalog or a private key.
import type { KeyObject } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { GrecError, messageOf } from '../errors.ts';
import { actsFolder } from './act.ts';
import type { Finding } from './finding.ts';
import { isAct, type Link } from './links.ts';
import { type FoundRecording, findById, findLast } from './named-recordings.ts';
import { NotedLinks } from './noted-links.ts';
import { readPublicKeys } from './public-keys.ts';
import { VerifiedActs } from './verify-acts.ts';
import { checkChain } from './verify-chain.ts';
import { type Checked, checkRecording, type Grounds, type SeenLink } from './verify-recording.ts';
import { checkSealed } from './verify-sealed.ts';
import { dayFolder, walkArchive } from './walk.ts';

export interface VerifyOptions {
  archive: string;
  /** Parts of ids, or `last`; everything when absent. */
  ids?: readonly string[];
  /** Recordings that start on this day (UTC) or later, milliseconds since 1970. */
  since?: number;
  /** Ids of the only keys that are trusted. */
  trusted?: readonly string[];
  /** A link that is known from elsewhere. */
  expected?: Pick<Link, 'sequence' | 'sha256'>;
  /** Milliseconds since 1970; the clock's by default. */
  now?: number;
  /** With which encrypted audio is opened; it is not when absent. */
  privateKeys?: readonly KeyObject[];
  /** @param part of the recordings that are done, 0 to 1 */
  onProgress?: (part: number) => void;
}

export interface VerifyReport {
  findings: Finding[];
  /** Recordings that were looked at; and how many of them are from before manifests were signed. */
  recordings: number;
  unsigned: number;
  /** The last link of the chain, as far as it was looked at. */
  head: Pick<Link, 'sequence' | 'sha256'> | undefined;
  /** Ids of the keys with which the archive was signed. */
  keys: string[];
  /** Those that were asked for by id. */
  asked: (Pick<Checked, 'id' | 'path' | 'state'> | DeletedRecording)[];
  /** Recordings that were deleted, as signed acts say. */
  deleted: number;
}

/** Of one that was asked for and was deleted: when, and by which rule. */
export interface DeletedRecording {
  id: string;
  path: string;
  state: 'deleted';
  at: string;
  rule: string;
}

/**
 * Does not throw for what it finds.
 * @throws GrecError ARCHIVE_UNREADABLE, RECORDING_UNKNOWN, RECORDING_AMBIGUOUS
 */
export async function verifyArchive(options: VerifyOptions): Promise<VerifyReport> {
  try {
    statSync(options.archive);
    return await new Verifier(options).run();
  } catch (thrown) {
    if (thrown instanceof GrecError) throw thrown;
    throw new GrecError(
      'ARCHIVE_UNREADABLE',
      `cannot read the archive ${options.archive}: ${messageOf(thrown)}`,
      { hint: 'run it as a user that may read it, or name a copy with --archive', cause: thrown },
    );
  }
}

/** What is wrong with the signatures of a recording; nothing is, of one from before they were signed. */
export async function manifestProblems(archive: string, path: string): Promise<string[]> {
  const grounds = { archive, keys: readPublicKeys(archive).byId };
  const { state, findings } = await checkRecording(grounds, path, { isLight: true });
  if (state !== 'signed') return [];
  return findings.map(({ file, message }) => `${file ?? path}: ${message}`);
}

class Verifier {
  readonly #options: VerifyOptions;
  readonly #grounds: Grounds;
  readonly #findings: Finding[];
  readonly #checked = new Map<string, Checked>();
  #noted: NotedLinks;
  #acts: VerifiedActs;
  #gone: readonly Link[] = [];

  constructor(options: VerifyOptions) {
    const { archive, trusted } = options;
    const { byId, findings } = readPublicKeys(archive);
    this.#options = options;
    this.#grounds = { archive, keys: byId, ...(trusted && { trusted: new Set(trusted) }) };
    this.#findings = findings;
    this.#noted = new NotedLinks(archive);
    this.#acts = new VerifiedActs(this.#grounds, []);
  }

  async run(): Promise<VerifyReport> {
    const { archive, ids } = this.#options;
    const before = this.#noted.last?.sequence ?? 0;
    const { recordings, gone } = ids === undefined ? await this.#everything() : await this.#named(ids);
    const { onProgress } = this.#options;
    for (const [index, { path }] of recordings.entries())
      await this.#check(path, (part) => onProgress?.((index + part) / recordings.length));
    // The processor may have gone on meanwhile.
    this.#noted = new NotedLinks(archive);
    for (const { sequence, path } of this.#noted.all())
      if (sequence > before && !isAct({ path }) && (ids === undefined || this.#checked.has(path)))
        await this.#check(path);
    const named = ids && [...this.#checked.values()].map(({ id }) => id);
    this.#acts = new VerifiedActs(this.#grounds, named);
    this.#findings.push(...this.#acts.findings, ...this.#acts.takeOut(this.#checked, this.#options.now));
    this.#gone = gone;
    await this.#checkLinks(gone);
    return this.#report();
  }

  async #everything() {
    const { archive, since } = this.#options;
    const recordings: FoundRecording[] = [];
    for await (const found of walkArchive(archive, since === undefined ? '' : dayFolder(since))) {
      if (found.kind === 'recording') recordings.push(found);
      else this.#findings.push({ code: 'stranger', path: found.path, message: found.problem });
    }
    return { recordings, gone: [] };
  }

  /** Those that are asked for; one that the chain knows and that is not there is a finding, not a mistake. */
  async #named(ids: readonly string[]): Promise<{ recordings: FoundRecording[]; gone: Link[] }> {
    const present: FoundRecording[] = [];
    for await (const found of walkArchive(this.#options.archive))
      if (found.kind === 'recording') present.push(found);
    const chosen = ids.map((asked) =>
      asked === 'last' ? findLast(this.#options.archive, present) : findById(asked, present, this.#noted),
    );
    const recordings = chosen.filter((one): one is FoundRecording => 'kind' in one);
    return {
      recordings: [...new Set(recordings)],
      gone: chosen.filter((one): one is Link => !('kind' in one)),
    };
  }

  async #check(path: string, onPart?: (part: number) => void): Promise<void> {
    const { archive, privateKeys } = this.#options;
    const checked = await checkRecording(this.#grounds, path, { onPart });
    if (privateKeys !== undefined) checked.findings.push(...(await checkSealed(archive, path, privateKeys)));
    this.#checked.set(path, checked);
    onPart?.(1);
  }

  async #checkLinks(gone: readonly Link[]): Promise<void> {
    const { ids, since } = this.#options;
    const seen = [...[...this.#checked.values()].flatMap(({ links }) => links), ...this.#acts.links];
    const isWhole = ids === undefined && since === undefined;
    if (isWhole) this.#findings.push(...this.#compare(seen));
    else
      this.#findings.push(...this.#compare([...seen, ...(await this.#neighbours(seen))], this.#wanted(gone)));
    this.#findings.push(...this.#noted.findings);
    await this.#checkUnsigned(seen);
    await this.#checkExpected(seen);
  }

  #compare(seen: readonly SeenLink[], isWanted?: (link: Link) => boolean): Finding[] {
    const told = new Set(
      [...this.#checked.values()]
        .filter(({ findings }) => findings.some(isOfManifest))
        .map(({ path }) => path),
    );
    const found = checkChain({ seen, noted: this.#noted, ...(isWanted && { isWanted }) });
    for (const { path } of this.#acts.findings) told.add(path ?? '');
    // What is wrong with its manifest, or with the act, has been said.
    return found.filter(({ code, path }) => !MISSING.has(code) || !told.has(path ?? ''));
  }

  /** Of a part of the archive: the links before and after each one. */
  async #neighbours(seen: readonly SeenLink[]): Promise<SeenLink[]> {
    const own = new Set(seen.map(({ sequence }) => sequence));
    const wanted = new Set(seen.flatMap(({ sequence }) => [sequence - 1, sequence + 1]));
    const links: SeenLink[] = [];
    for (const sequence of wanted) {
      const note = sequence < 1 || own.has(sequence) ? undefined : this.#noted.at(sequence);
      if (note !== undefined) links.push(...(await this.#linkAt(note)));
    }
    return links;
  }

  async #linkAt({ path, sequence }: Link): Promise<SeenLink[]> {
    const ofAct = this.#acts.linkAt(path, sequence);
    if (ofAct !== undefined) return ofAct;
    const known = this.#checked.get(path) ?? (await checkRecording(this.#grounds, path, { isLight: true }));
    return known.links.filter((link) => link.sequence === sequence);
  }

  /** Of a part of the archive: which links must be there. */
  #wanted(gone: readonly Link[]): (link: Link) => boolean {
    const { since, ids } = this.#options;
    const numbers = new Set(gone.map(({ sequence }) => sequence));
    const folders = new Set([...this.#checked.values()].map(({ id }) => actsFolder(id)));
    for (const { links } of this.#checked.values())
      for (const { sequence } of links) numbers.add(sequence - 1).add(sequence + 1);
    const firstDay = ids === undefined && since !== undefined ? dayFolder(since) : undefined;
    return ({ sequence, path }) => {
      if (numbers.has(sequence) || this.#checked.has(path) || folders.has(dirname(path))) return true;
      return firstDay !== undefined && path >= firstDay;
    };
  }

  /** Nobody archives without a signature once there is a chain. */
  async #checkUnsigned(seen: readonly SeenLink[]): Promise<void> {
    const note = this.#noted.at(1);
    const [first] = [...(note === undefined ? [] : await this.#linkAt(note)), ...seen];
    if (first === undefined) return;
    const begins = Date.parse(first.createdAt);
    if (Number.isNaN(begins)) return;
    for (const { id, path, state, createdAt } of this.#checked.values()) {
      if (state !== 'unsigned') continue;
      const isLate = path.slice(0, 10) > dayFolder(begins) || !(Date.parse(createdAt ?? '') < begins);
      const message = `its manifest is not signed, though manifests have been signed since ${first.createdAt}`;
      if (isLate) this.#findings.push({ code: 'unsigned', id, path, message });
    }
  }

  async #checkExpected(seen: readonly SeenLink[]): Promise<void> {
    const { expected } = this.#options;
    if (expected === undefined) return;
    const { sequence } = expected;
    const note = this.#noted.at(sequence);
    const own = seen.filter((link) => link.sequence === sequence);
    const found = own.length > 0 || note === undefined ? own : await this.#linkAt(note);
    if (found.some(({ sha256 }) => sha256 === expected.sha256)) return;
    const message =
      found.length === 0
        ? `link ${sequence}, which was expected, is missing: the chain was cut off, or is another one`
        : `link ${sequence} is not the one that was expected`;
    this.#findings.push({ code: found.length === 0 ? 'link-missing' : 'link-broken', sequence, message });
  }

  #report(): VerifyReport {
    const checked = [...this.#checked.values()];
    const links = [...checked.flatMap((one) => one.links), ...this.#acts.links];
    const head = links.reduce<SeenLink | undefined>(
      (last, link) => (last === undefined || link.sequence > last.sequence ? link : last),
      undefined,
    );
    return {
      findings: [...checked.flatMap(({ findings }) => findings), ...this.#findings],
      recordings: checked.length,
      unsigned: checked.filter(({ state }) => state === 'unsigned').length,
      head: head && { sequence: head.sequence, sha256: head.sha256 },
      keys: [...this.#grounds.keys.keys()].sort(),
      asked:
        this.#options.ids === undefined
          ? []
          : [
              ...checked.map(({ id, path, state }) => ({ id, path, state })),
              ...this.#acts.deletedOf(this.#gone),
            ],
      deleted: this.#acts.deletions.size,
    };
  }
}

const MISSING: ReadonlySet<Finding['code']> = new Set(['recording-missing', 'act-missing']);

function isOfManifest({ code }: Finding): boolean {
  return /^(manifest|signature|key)-/.test(code) || code === 'file-unreadable';
}
