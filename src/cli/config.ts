// `grec config`: check a configuration file, show the values in force.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readRecipients } from '../archive/cms/recipient.ts';
import { checkConfig, loadConfig } from '../config.ts';
import { loadConsentTone, readConsentTone } from '../consent-tone.ts';
import { readSpoolKeys } from '../spool/spool-keys.ts';
import { printConfig, showHostPort } from './config-toml.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { renderPairs } from './table.ts';

/** Without `file`: the configuration that the daemons would read. @throws GrecError CONFIG_INVALID, CONFIG_UNREADABLE, CERTIFICATE_UNUSABLE */
export async function configCheck(context: CliContext, file: string | undefined): Promise<number> {
  const named = file ?? context.configFile;
  if (context.json && named !== undefined) {
    const problems = problemsOf(named);
    if (problems.length > 0) {
      context.printJson({ valid: false, file: resolve(named), problems });
      return EXIT.config;
    }
  }
  const config = loadConfig({ file: named });
  const tone = readConsentTone(config);
  if (context.json && tone !== undefined && 'message' in tone) {
    const { key, message } = tone;
    context.printJson({ valid: false, file: config.file ?? null, problems: [{ key, message }] });
    return EXIT.config;
  }
  loadConsentTone(config);
  readRecipients(config.paths.encryption.certificates);
  readSpoolKeys(config.paths.encryption.spoolKey);
  if (context.json) {
    context.printJson({ valid: true, file: config.file ?? null, problems: [], paths: config.paths });
    return EXIT.ok;
  }
  context.print(
    config.file === undefined ? 'no configuration file: all defaults hold' : `${config.file}: valid`,
  );
  const listen = config.sip.listen.map((address) => `${address.protocol}:${showHostPort(address)}`);
  const summary: [string, string][] = [
    ['state', config.paths.state],
    ['archive', config.paths.archive],
    ['SIP', listen.join(', ')],
    ['media', `${config.mediad.address}, UDP ports ${config.mediad.ports.first}-${config.mediad.ports.last}`],
    ['trunk', config.trunk.map(({ name, host }) => `${name} at ${host.join(' ')}`).join(', ') || 'none'],
  ];
  context.print(...renderPairs(summary, '  '));
  return EXIT.ok;
}

/** What is wrong with a readable file; an unreadable one is left to {@link loadConfig}. */
function problemsOf(file: string) {
  try {
    return checkConfig(readFileSync(file, 'utf8')).problems;
  } catch {
    return [];
  }
}

/** @throws GrecError CONFIG_INVALID, CONFIG_UNREADABLE */
export async function configShow(context: CliContext): Promise<number> {
  const { config } = context;
  if (context.json) {
    const { file, paths, ...values } = config;
    context.printJson({ file: file ?? null, paths, values });
    return EXIT.ok;
  }
  context.print(
    `# ${config.file === undefined ? 'No configuration file: all defaults' : `From ${config.file}`}`,
  );
  context.stdout.write(printConfig(config));
  return EXIT.ok;
}
