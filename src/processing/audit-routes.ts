// The audit log of the processor: what it does itself, what it is asked to note, and the configuration that it was started with.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { auditLog, type Note, ofDaemon } from '../audit/by-daemon.ts';
import { UNKNOWN } from '../caller.ts';
import type { Config } from '../config.ts';
import type { ControlRoutes } from '../control.ts';
import { GrecError, messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';

/** What commands note that may not write into the log themselves. */
const notedSchema = v.strictObject({
  what: v.picklist(['list', 'show', 'play', 'export', 'key']),
  recording: v.optional(v.pipe(v.string(), v.maxLength(64))),
  details: v.optional(v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()]))),
});

export class ProcessorAudit {
  readonly note: Note;
  readonly #log: Logger;

  constructor({ paths }: Pick<Config, 'paths'>, log: Logger) {
    this.note = auditLog(paths.audit);
    this.#log = log;
  }

  get routes(): ControlRoutes {
    return {
      'POST /audit': async ({ body, by = UNKNOWN }) => {
        const result = v.safeParse(notedSchema, body);
        if (!result.success) throw new GrecError('USAGE', 'this is nothing that is noted in the audit log');
        const { what, recording, details } = result.output;
        const about = { ...(recording !== undefined && { recording }), ...(details && { details }) };
        return { seq: await this.note(by, { what, ...about }) };
      },
    };
  }

  /** Which configuration is in force from now on. That it cannot be noted keeps nothing from being recorded. */
  async noteConfiguration({ file, paths }: Config, why: 'start' | 'reload'): Promise<void> {
    const details = { why, ...hashOf('file', file), ...hashOf('strategy', paths.strategy) };
    try {
      await this.note(ofDaemon('grec-procd'), { what: 'configuration', details });
    } catch (thrown) {
      const hint = thrown instanceof GrecError ? thrown.hint : undefined;
      this.#log.error({ alarm: 'audit-write', hint }, messageOf(thrown));
    }
  }
}

function hashOf(key: string, file: string | undefined): Record<string, string> {
  if (file === undefined) return {};
  try {
    return { [key]: file, [`${key}Sha256`]: createHash('sha256').update(readFileSync(file)).digest('hex') };
  } catch {
    return {};
  }
}
