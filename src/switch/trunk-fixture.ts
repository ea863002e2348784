// Trunks as a configuration writes them, for the tests of the switch.
import { parseConfig } from '../config.ts';
import { placeTrunkFiles } from '../config-trunk.ts';
import { silentLogger } from '../log.ts';
import { Trunks, type TrunksConfig } from './trunks.ts';

/** @param toml `[[trunk]]` tables @param directory where their password files lie */
export function trunksConfig(toml: string, directory = '/nonexistent'): TrunksConfig {
  return { trunk: placeTrunkFiles(parseConfig(toml, 'grec.toml').trunk, directory) };
}

export function trunksOf(toml: string, directory?: string): Trunks {
  return new Trunks(trunksConfig(toml, directory), silentLogger());
}
