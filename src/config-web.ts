// [web]: where Web Services listen, who they are in TLS, and which proxies stand before them.
import { resolve } from 'node:path';
import * as v from 'valibot';
import { hostPort, ipAddress } from './config-addresses.ts';
import { type Finding, flag, isTable, section, text, within } from './toml-schema.ts';

const MOST_PROXIES = 16;
const PROXIES = `expected a list of up to ${MOST_PROXIES} IP addresses`;

export const webSection = section({
  enabled: v.optional(flag, false),
  listen: v.optional(hostPort, '127.0.0.1:8088'),
  certificate: v.optional(text('the path of a certificate')),
  key: v.optional(text('the path of its key')),
  proxies: v.optional(v.pipe(v.array(ipAddress, PROXIES), v.maxLength(MOST_PROXIES, PROXIES)), []),
  rate: v.optional(within(1, 1_000_000, 'a whole number of requests a minute'), 600),
});

/** The files of [web] as absolute paths. */
export interface WebTlsFiles {
  certificate: string;
  key: string;
}

/** Undefined without a certificate. @param base the directory of the configuration */
export function placeWebFiles(
  base: string,
  { certificate, key }: v.InferOutput<typeof webSection>,
): WebTlsFiles | undefined {
  if (certificate === undefined || key === undefined) return undefined;
  return { certificate: resolve(base, certificate), key: resolve(base, key) };
}

/** A certificate without its key; passwords and recordings in clear on a network. */
export function findWebMistakes(raw: unknown): Finding[] {
  if (!isTable(raw) || !isTable(raw['web'])) return [];
  const { listen, certificate, key, proxies } = raw['web'];
  const findings: Finding[] = [];
  if (certificate !== undefined && key === undefined)
    findings.push({ path: ['web', 'certificate'], message: 'needs key beside it' });
  if (key !== undefined && certificate === undefined)
    findings.push({ path: ['web', 'key'], message: 'needs certificate beside it' });
  const isCovered = certificate !== undefined || (Array.isArray(proxies) && proxies.length > 0);
  if (typeof listen === 'string' && !isLoopback(listen) && !isCovered)
    findings.push({
      path: ['web', 'listen'],
      message:
        'an address beyond loopback needs certificate and key, or proxies: the addresses of those that do TLS before it',
    });
  return findings;
}

function isLoopback(listen: string): boolean {
  return /^(127\.|\[::1\]:)/.test(listen);
}
