// The audit log of the processor: what it does itself, what it is asked to note, and the configuration that it was started with.
import * as v from 'valibot';
import { auditLog, type Note } from '../audit/by-daemon.ts';
import { noteConfiguration } from '../audit/configuration.ts';
import { UNKNOWN } from '../caller.ts';
import type { Config } from '../config.ts';
import type { ControlRoutes } from '../control.ts';
import { GrecError } from '../errors.ts';
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

  /** Never rejects. */
  noteConfiguration(config: Config, why: 'start' | 'reload'): Promise<void> {
    return noteConfiguration({ note: this.note, log: this.#log, daemon: 'grec-procd' }, config, why);
  }
}
