// What becomes of recordings after they are finished: holds, labels, deletion. Asked for over the control socket.
import * as v from 'valibot';
import { type By, type RecordingDeed, requestSchema } from '../archive/act.ts';
import { stateAfter } from '../archive/acts-state.ts';
import { addAct } from '../archive/add-act.ts';
import { checkActs } from '../archive/check-acts.ts';
import { readPublicKeys } from '../archive/public-keys.ts';
import { audited, type Note } from '../audit/by-daemon.ts';
import type { AuditEntry, Details } from '../audit/record.ts';
import { UNKNOWN } from '../caller.ts';
import type { CatalogWriter } from '../catalog/catalog.ts';
import type { Config } from '../config.ts';
import type { ControlRequest, ControlRoutes } from '../control.ts';
import { GrecError, messageOf } from '../errors.ts';
import { takeInActs } from '../indexing/take-in-acts.ts';
import type { Logger } from '../log.ts';
import { type Expired, expireCaptures } from './captures.ts';
import { type PurgeContext, type PurgeReport, purge } from './purge.ts';
import { sourcesOf } from './sources.ts';

export interface LifeCycleOptions {
  config: Config;
  catalog: CatalogWriter;
  log: Logger;
  isMaking(recording: string): boolean;
  /** Into the audit log. */
  note: Note;
  /** Milliseconds since 1970. */
  now(): number;
}

/** So long after the last recording the clock may be wrong. */
const LONGEST_QUIET_MS = 60 * 86_400_000;

const purgeSchema = v.strictObject({
  dryRun: v.optional(v.boolean(), false),
  trustClock: v.optional(v.boolean(), false),
  from: v.optional(v.pipe(v.number(), v.minValue(0)), 0),
});

export class LifeCycle {
  readonly #options: LifeCycleOptions;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: LifeCycleOptions) {
    this.#options = options;
  }

  get routes(): ControlRoutes {
    return {
      'POST /recordings/:id/acts': (request) => this.#inTurn(() => this.act(request)),
      'POST /purge': (request) => this.#inTurn(() => this.purge(request)),
    };
  }

  /** Deletions that a crash has interrupted go on with the next one; what is known of holds must be known at once. */
  takeIn(): void {
    const { config, catalog, log } = this.#options;
    try {
      const problem = takeInActs(config.paths.archive, catalog);
      if (problem !== undefined)
        log.error({ hint: 'see `grec verify --all`' }, `holds and labels are not all known: ${problem}`);
    } catch (thrown) {
      log.error(`holds and labels are not known: ${messageOf(thrown)}`);
    }
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    await this.#turn;
  }

  /** @throws GrecError USAGE, RECORDING_UNKNOWN, RECORDING_AMBIGUOUS, HOLD_EXISTS, RECORDING_STATE, ARCHIVE_UNREADABLE */
  async act({ params, body, by = UNKNOWN }: ControlRequest): Promise<Record<string, unknown>> {
    const { config, catalog, log } = this.#options;
    const asked = parse(requestSchema, body);
    const row = catalog.find(params['id'] ?? '');
    const deed: RecordingDeed = { ...asked, recording: row.id };
    const entry = { what: asked.type, recording: row.id, details: detailsOf(asked) };
    const act = await audited(this.#options.note, by, entry, () =>
      this.#add(by, async () => {
        // A deletion may have come first.
        catalog.find(row.id);
        this.#requirePossible(deed);
        return deed;
      }),
    );
    this.takeIn();
    log.info({ recording: row.id, act: act?.sequence, by: by.user }, `recording ${WORDS[asked.type]}`);
    const grounds = { archive: config.paths.archive, keys: readPublicKeys(config.paths.archive).byId };
    const { acts } = checkActs(grounds, row.id);
    return { id: row.id, act: act?.sequence, ...stateAfter(acts), labels: catalog.labelsOf(row.id) };
  }

  /** @throws GrecError USAGE, ARCHIVE_UNREADABLE, CLOCK_DOUBTFUL */
  async purge({ body, by = UNKNOWN }: ControlRequest): Promise<PurgeReport & { captures: Expired[] }> {
    const { config, catalog, now } = this.#options;
    const { dryRun: isDryRun, trustClock, from } = parse(purgeSchema, body ?? {});
    if (!isDryRun && !trustClock) requireClock(now(), catalog.lastFinishedAt());
    const report = await inArchive(() => purge(this.#context(), { isDryRun, from, by }));
    if (report.next !== null) return { ...report, captures: [] };
    const captures = await inArchive(() =>
      expireCaptures({
        spool: config.paths.spool,
        policy: config.archive,
        catalog,
        now: now(),
        isDryRun,
        note: (expired) => this.#noteCaptures(by, expired),
      }),
    );
    return { ...report, captures };
  }

  async #noteCaptures(by: By, expired: readonly Expired[]): Promise<void> {
    const entries = expired.map(({ segment, rule }): AuditEntry => {
      return { what: 'delete-capture', details: { segment, rule } };
    });
    await this.#options.note(by, ...entries);
  }

  #context(): PurgeContext {
    const { config, ...others } = this.#options;
    const { archive, signingKey } = config.paths;
    return { ...others, archive, signingKey, sources: sourcesOf(config), classes: config.retention };
  }

  #add(by: By, decide: () => Promise<RecordingDeed>) {
    const { archive: directory, signingKey } = this.#options.config.paths;
    return inArchive(() => addAct({ directory, signingKey }, by, decide));
  }

  #requirePossible({ type, recording }: RecordingDeed): void {
    const reason = this.#options.catalog.holdOn(recording);
    if (type === 'hold' && reason !== undefined)
      throw new GrecError('HOLD_EXISTS', `recording ${recording} is under hold already: ${reason}`, {
        hint: '`grec label --comment` notes another reason',
      });
    if (type === 'unhold' && reason === undefined)
      throw new GrecError('RECORDING_STATE', `recording ${recording} is not under hold`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** Comments and data may say much; that they were noted is enough. */
function detailsOf(asked: v.InferOutput<typeof requestSchema>): Details {
  if (asked.type !== 'label') return { reason: asked.reason };
  const { add = [], remove = [], comment, data } = asked;
  return {
    ...(add.length > 0 && { add: add.join(' ') }),
    ...(remove.length > 0 && { remove: remove.join(' ') }),
    ...(comment !== undefined && { comment: true }),
    ...(data && { data: Object.keys(data).join(' ') }),
  };
}

/** A clock that has jumped ahead would delete all there is. */
function requireClock(now: number, lastFinishedAt: number): void {
  if (lastFinishedAt === 0 || now - lastFinishedAt <= LONGEST_QUIET_MS) return;
  const [clock, last] = [now, lastFinishedAt].map((at) => new Date(at).toISOString());
  throw new GrecError(
    'CLOCK_DOUBTFUL',
    `nothing is deleted: the clock says ${clock}, and the last recording was finished on ${last}`,
    { hint: 'when the clock is right, `grec purge --trust-clock` deletes' },
  );
}

const WORDS = { hold: 'under hold', unhold: 'no longer under hold', label: 'labelled' } as const;

/** @throws GrecError USAGE */
function parse<S extends v.GenericSchema>(schema: S, body: unknown): v.InferOutput<S> {
  const result = v.safeParse(schema, body);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  throw new GrecError('USAGE', path === null ? issue.message : `${path}: ${issue.message}`);
}

async function inArchive<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof GrecError) throw thrown;
    throw new GrecError('ARCHIVE_UNREADABLE', `the archive refuses: ${messageOf(thrown)}`, {
      hint: 'look at its free space and its permissions; nothing else was done',
      cause: thrown,
    });
  }
}
