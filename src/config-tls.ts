// The [sip.tls] table of the configuration: who the switch is in TLS, and whom it believes.
import { resolve } from 'node:path';
import * as v from 'valibot';
import { type Finding, flag, isTable, section, text } from './toml-schema.ts';

export const tlsSection = section({
  certificate: v.optional(text('the path of a certificate')),
  key: v.optional(text('the path of its key')),
  ca: v.optional(text('the path of certificates of authorities')),
  'verify-clients': v.optional(flag, false),
  'verify-servers': v.optional(flag, true),
});

/** The files of [sip.tls] as absolute paths; undefined without a certificate. */
export interface TlsFiles {
  certificate: string;
  key: string;
  ca: string | undefined;
}

export function placeTlsFiles(base: string, tls: v.InferOutput<typeof tlsSection>): TlsFiles | undefined {
  const { certificate, key, ca } = tls;
  if (certificate === undefined || key === undefined) return undefined;
  return {
    certificate: resolve(base, certificate),
    key: resolve(base, key),
    ca: ca === undefined ? undefined : resolve(base, ca),
  };
}

/** What belongs together and is not: TLS without a certificate, a certificate without its key, a trunk that nothing can reach. */
export function findTlsMistakes(raw: unknown): Finding[] {
  if (!isTable(raw)) return [];
  const sip = isTable(raw['sip']) ? raw['sip'] : {};
  const tls = isTable(sip['tls']) ? sip['tls'] : {};
  const findings: Finding[] = [];
  const places = Array.isArray(sip['listen']) ? sip['listen'] : [];
  const listening = places.findIndex((place) => typeof place === 'string' && place.startsWith('tls:'));
  for (const [name, other] of [
    ['certificate', 'key'],
    ['key', 'certificate'],
  ] as const)
    if (tls[name] !== undefined && tls[other] === undefined)
      findings.push({ path: ['sip', 'tls', name], message: `needs [sip.tls] ${other} beside it` });
  if (listening >= 0 && tls['certificate'] === undefined && tls['key'] === undefined)
    findings.push({
      path: ['sip', 'listen', listening],
      message: 'TLS needs certificate and key in [sip.tls]',
    });
  const trunks = Array.isArray(raw['trunk']) ? raw['trunk'] : [];
  for (const [index, trunk] of trunks.entries())
    if (listening < 0 && isTable(trunk) && trunk['transport'] === 'tls')
      findings.push({
        path: ['trunk', index, 'transport'],
        message: 'TLS needs a "tls:ADDRESS:PORT" in [sip] listen, at which the trunk answers',
      });
  return findings;
}
