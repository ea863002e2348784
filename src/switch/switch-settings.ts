// What the configuration says of the switch, as the switch uses it.
import type { Config } from '../config.ts';
import type { AgentCodes } from './agent-codes.ts';
import type { Feature } from './phone-requests.ts';

/** The settings that a reload may change. */
export interface Settings {
  maxExpires: number;
  mostCalls: number;
  mostContacts: number;
  mostRegistrations: number;
  ringTimeoutMs: number;
  featureCodes: ReadonlyMap<string, Feature>;
  defaults: Config['switch']['defaults'];
  agentCodes: AgentCodes;
}

export function settingsOf(config: Config): Settings {
  return {
    maxExpires: config.sip['max-expires'],
    mostCalls: config.sip.limits.calls,
    mostContacts: config.sip.limits['registrations-per-dn'],
    mostRegistrations: config.sip.limits.registrations,
    ringTimeoutMs: config.sip['ring-timeout'] * 1000,
    featureCodes: featureCodesIn(config.switch),
    defaults: config.switch.defaults,
    agentCodes: {
      login: config.switch['agent-login-code'],
      logout: config.switch['agent-logout-code'],
    },
  };
}

function featureCodesIn(codes: Config['switch']): Settings['featureCodes'] {
  const named = [
    [codes['record-code'], 'record'],
    [codes['pause-code'], 'pause'],
  ] as const;
  return new Map(named.filter(([code]) => code !== ''));
}
