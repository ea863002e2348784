// [alarms]: who is told when something is wrong, besides the log.
import { isAbsolute, resolve } from 'node:path';
import * as v from 'valibot';
import { type Finding, isTable, section, text, within } from './toml-schema.ts';

const COMMAND = 'expected a list: the absolute path of a program, and its arguments';
const WEBHOOK = 'expected an address that begins with https:// or http://';

export const alarmsSection = section({
  command: v.optional(
    v.pipe(
      v.array(v.string(COMMAND), COMMAND),
      v.minLength(1, COMMAND),
      v.check(([program]) => isAbsolute(program ?? ''), COMMAND),
    ),
  ),
  webhook: v.optional(v.pipe(v.string(WEBHOOK), v.check(isWebAddress, WEBHOOK))),
  'webhook-secret': v.optional(text('the path of a file with the secret that signs it')),
  'retry-for': v.optional(within(0, 604_800, 'a whole number of seconds'), 86_400),
});

function isWebAddress(address: string): boolean {
  const parsed = URL.parse(address);
  return (
    parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === ''
  );
}

/** The file of the secret, relative to the directory `base`; undefined when there is none. */
export function placeAlarmSecret(
  base: string,
  { 'webhook-secret': file }: { 'webhook-secret'?: string | undefined },
): string | undefined {
  return file === undefined ? undefined : resolve(base, file);
}

/** A secret that signs nothing. */
export function findAlarmMistakes(raw: unknown): Finding[] {
  if (!isTable(raw) || !isTable(raw['alarms'])) return [];
  const { webhook, 'webhook-secret': secret } = raw['alarms'];
  if (secret === undefined || webhook !== undefined) return [];
  return [
    { path: ['alarms', 'webhook-secret'], message: 'needs webhook beside it: the address that is told' },
  ];
}
