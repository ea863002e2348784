// What `grec status` says of the switch.
import { hostOf } from '../sip/compose.ts';
import type { Switch } from './switch.ts';

export function statusOf(parts: Switch): Record<string, unknown> {
  const calls = [...parts.calls.values()];
  return {
    listen:
      parts.userAgent?.listening.map(
        ({ protocol, address, port }) => `${protocol}:${hostOf(address)}:${port}`,
      ) ?? [],
    mediaServers: parts.mediaServers.status(),
    mediaServer: parts.mediaServers.living?.name ?? 'none',
    calls: calls.length,
    recording: calls.filter((call) => call.recording?.isRunning).length,
    registrations: parts.store.registeredCount(Date.now()),
    listeners: parts.events.listeners,
    agents: parts.store.logins.all().length,
    unreachable: parts.contacts.unreachable,
    ...parts.load,
    trunks: parts.trunks.status(),
    strategy: parts.strategist.status(),
    tls: parts.certificate.status(),
    counters: {
      ...parts.counters,
      ...prefixed('strategy', parts.strategist.counters),
      ...prefixed('sip', parts.userAgent?.counters ?? {}),
    },
  };
}

function prefixed(prefix: string, counters: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [`${prefix}-${name}`, value]));
}
