// Settings of a DN as words of a command line: `record=true`, and back.
import * as v from 'valibot';
import {
  displayName,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingEntries,
} from '../dn-settings.ts';
import { GrecError } from '../errors.ts';

/** What is asked for; null takes a setting away. */
export type AskedSettings = { [Name in SettingName]?: Settings[Name] | null } & { name?: string | null };

const FLAGS = new Map([
  ...['true', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', 'no', 'off'].map((word) => [word, false] as const),
]);
const FLAG_NAMES: readonly string[] = ['record', 'record-consult-calls', 'mandatory'];

/** @throws GrecError USAGE */
export function readSettings(words: readonly string[]): AskedSettings {
  return Object.assign({}, ...words.map(readSetting));
}

function readSetting(word: string): AskedSettings {
  const [, key = '', value = ''] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
  const schema = key === 'name' ? displayName : settingOf(key);
  if (schema === undefined) throw unknownSetting(word, key);
  if (value === '') return { [key]: null };
  const isFlag = FLAG_NAMES.includes(key);
  const result = v.safeParse(schema, isFlag ? (FLAGS.get(value) ?? value) : value);
  if (result.success) return { [key]: result.output };
  const problem = isFlag ? `expected ${key}=true or ${key}=false` : result.issues[0].message;
  throw new GrecError('USAGE', `${JSON.stringify(word)}: ${problem}`);
}

function settingOf(key: string) {
  const name = SETTING_NAMES.find((candidate) => candidate === key);
  return name && settingEntries[name];
}

function unknownSetting(word: string, key: string): GrecError {
  return new GrecError('USAGE', `${JSON.stringify(word)} is no setting of a DN`, {
    hint:
      key === 'password'
        ? 'a password on the command line is seen by others: use --password-stdin or --password-file'
        : `settings: ${['name', ...SETTING_NAMES].map((name) => `${name}=`).join(' ')}; man grec-dn explains them`,
  });
}
