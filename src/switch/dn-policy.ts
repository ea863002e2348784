// What holds for a DN in a call: what is said of the agent who is logged in on it, else of the DN, else by default.
import { BUILT_IN_DEFAULTS, type SettingDefaults, type Settings } from '../dn-settings.ts';
import type { Dn } from './dn.ts';

export interface DnPolicy extends SettingDefaults {
  number: string;
  /** Who is logged in there. */
  agentId: string | undefined;
  /** Who says whether it is recorded, as reasons name them: `DN 7001`. */
  recordSaidBy: string;
}

type Said = Pick<Dn, 'number'> & Settings;

/**
 * The agent's word goes before that of the DN, the DN's before the default.
 * @param agent the agent login that is logged in on the DN
 */
export function policyOf(
  dn: Said,
  agent: Said | undefined,
  defaults: SettingDefaults = BUILT_IN_DEFAULTS,
): DnPolicy {
  return {
    number: dn.number,
    agentId: agent?.number,
    record: agent?.record ?? dn.record ?? defaults.record,
    'record-consult-calls':
      agent?.['record-consult-calls'] ?? dn['record-consult-calls'] ?? defaults['record-consult-calls'],
    mandatory: agent?.mandatory ?? dn.mandatory ?? defaults.mandatory,
    'recording-filename':
      agent?.['recording-filename'] ?? dn['recording-filename'] ?? defaults['recording-filename'],
    retention: agent?.retention ?? dn.retention ?? defaults.retention,
    anchor: agent?.anchor ?? dn.anchor ?? defaults.anchor,
    srtp: agent?.srtp ?? dn.srtp ?? defaults.srtp,
    recordSaidBy: recordSaidBy(dn, agent),
  };
}

function recordSaidBy(dn: Said, agent: Said | undefined): string {
  if (agent?.record !== undefined) return `agent ${agent.number} on DN ${dn.number}`;
  return dn.record === undefined ? `DN ${dn.number} (by default)` : `DN ${dn.number}`;
}
