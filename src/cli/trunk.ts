// `grec trunk`: the trunks of the switch, whether they answer, and our registrations there.
import { askDaemon, socketOf } from '../control.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { roughDuration } from './table.ts';

/** A trunk as grec-sipd answers it. */
interface Trunk {
  name: string;
  transport: string;
  hosts: { address: string; port: number; up: boolean }[];
  /** Null for a trunk at which nothing is registered. */
  registration: Registration | null;
  inbound: string[];
  numbersIn: string[];
  numbersOut: string[];
  record: boolean;
  /** Calls under way. */
  calls: number;
}

interface Registration {
  registered: boolean;
  expiresInS: number | null;
  /** The last answer. */
  status: number | null;
  failures: number;
}

/** Exit status 1 when a trunk has no host that answers, or is not registered where it should be. */
export async function trunkList(context: CliContext): Promise<number> {
  const socket = socketOf(context.config, 'grec-sipd');
  const { trunks } = await askDaemon<{ trunks: Trunk[] }>('grec-sipd', socket, 'GET', '/trunks');
  const code = trunks.every(isUsable) ? EXIT.ok : EXIT.failure;
  if (context.json) {
    context.printJson(trunks);
    return code;
  }
  if (trunks.length === 0) context.note('there is no trunk; man grec.toml says how one is configured');
  else
    context.printTable(
      ['NAME', 'HOSTS', 'REGISTERED', 'CALLS', 'TAKES CALLS BY', 'RECORD'],
      trunks.map((trunk) => [
        trunk.name,
        trunk.hosts.map((host) => showHost(trunk.transport, host)).join(', '),
        showRegistration(trunk.registration),
        String(trunk.calls),
        trunk.inbound.join(', ') || 'none',
        trunk.record ? 'yes' : 'no',
      ]),
      ['left', 'left', 'left', 'right'],
    );
  return code;
}

function isUsable({ hosts, registration }: Trunk): boolean {
  return hosts.some(({ up }) => up) && registration?.registered !== false;
}

function showHost(transport: string, { address, port, up }: Trunk['hosts'][number]): string {
  const at = address.includes(':') ? `[${address}]` : address;
  return `${transport}:${at}:${port}${up ? '' : ' (down)'}`;
}

function showRegistration(registration: Registration | null): string {
  if (registration === null) return '-';
  const { registered, expiresInS, status } = registration;
  if (registered) return `for another ${roughDuration((expiresInS ?? 0) * 1000)}`;
  return status === null ? 'not yet' : `no: ${status}`;
}
