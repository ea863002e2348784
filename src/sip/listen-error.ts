// A listen address that cannot be had, as an error that an operator can act on.
import { GrecError, messageOf, systemCode } from '../errors.ts';
import type { Protocol } from './user-agent-types.ts';

export interface ListenAddress {
  protocol: Protocol;
  host: string;
  port: number;
}

/** GrecError PORT_IN_USE or PORT_UNUSABLE for what a bind or listen failed with. */
export function listenError(address: ListenAddress, cause: unknown): GrecError {
  const name = formatListen(address);
  switch (systemCode(cause)) {
    case 'EADDRINUSE':
      return new GrecError('PORT_IN_USE', `${name} is in use by another process`, {
        hint: `find it with \`ss -${address.protocol === 'udp' ? 'u' : 't'}lnp 'sport = :${address.port}'\` and stop it, or listen on another port`,
        cause,
      });
    case 'EACCES':
    case 'EPERM':
      return new GrecError('PORT_UNUSABLE', `no permission to listen on ${name}`, {
        hint: 'ports below 1024 need CAP_NET_BIND_SERVICE; SIP needs none of them',
        cause,
      });
    case 'EADDRNOTAVAIL':
      return new GrecError('PORT_UNUSABLE', `${name}: this machine has no such address`, {
        hint: 'list its addresses with `ip -brief address`, and listen on one of them',
        cause,
      });
    default:
      return new GrecError('PORT_UNUSABLE', `cannot listen on ${name}: ${messageOf(cause)}`, {
        hint: 'listen on another address or port',
        cause,
      });
  }
}

function formatListen({ protocol, host, port }: ListenAddress): string {
  return `${protocol}:${host.includes(':') ? `[${host}]` : host}:${port}`;
}
