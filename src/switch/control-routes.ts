// What the switch answers on its control socket: DNs, agents and calls.
import type { Note } from '../audit/by-daemon.ts';
import type { ControlRoutes } from '../control.ts';
import { partOfId } from '../spool/call-events.ts';
import { auditedRoutes } from './audited-routes.ts';
import { callRoutes } from './call-routes.ts';
import { dnRoutes } from './dn-routes.ts';
import type { Switch } from './switch.ts';

export function switchRoutes(parts: Switch, note: Note): ControlRoutes {
  return {
    ...auditedRoutes(dnRoutes(parts), note),
    ...callRoutes(parts),
    'GET /trunks': () => ({ trunks: showTrunks(parts) }),
    'GET /decisions/:part': ({ params }) => {
      const part = partOfId(params['part'] ?? '');
      return { calls: part === undefined ? [] : parts.decisions.find(part) };
    },
  };
}

function showTrunks({ trunks, calls }: Switch) {
  const names = [...calls.values()].flatMap(({ plan }) => [plan.from.trunk, plan.to.trunk]);
  return trunks
    .status()
    .map((trunk) => ({ ...trunk, calls: names.filter((name) => name === trunk.name).length }));
}
