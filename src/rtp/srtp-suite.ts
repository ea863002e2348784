// The protection of SRTP that is spoken here: crypto suites by their SDES names (RFC 4568 section 6.2, RFC 7714 section 14.1).

export interface SrtpSuite {
  name: SrtpSuiteName;
  /** AES-GCM, which encrypts and authenticates at once; otherwise AES in counter mode with HMAC-SHA1. */
  isAead: boolean;
  /** Of the master key and of the session keys. */
  keyBytes: number;
  saltBytes: number;
  rtpTagBytes: number;
  rtcpTagBytes: number;
}

export const SRTP_SUITE_NAMES = [
  'AEAD_AES_256_GCM',
  'AEAD_AES_128_GCM',
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32',
] as const;
export type SrtpSuiteName = (typeof SRTP_SUITE_NAMES)[number];

/** In the order in which they are offered. */
export const SRTP_SUITES: readonly SrtpSuite[] = SRTP_SUITE_NAMES.map(describe);

function describe(name: SrtpSuiteName): SrtpSuite {
  const keyBytes = name === 'AEAD_AES_256_GCM' ? 32 : 16;
  if (name.startsWith('AEAD'))
    return { name, isAead: true, keyBytes, saltBytes: 12, rtpTagBytes: 16, rtcpTagBytes: 16 };
  // The short tag is for RTP alone: a forged report does more harm (RFC 4568 section 6.2.2).
  const rtpTagBytes = name.endsWith('_32') ? 4 : 10;
  return { name, isAead: false, keyBytes, saltBytes: 14, rtpTagBytes, rtcpTagBytes: 10 };
}

/** @returns undefined for a suite that is not spoken here */
export function srtpSuite(name: string): SrtpSuite | undefined {
  return SRTP_SUITES.find((suite) => suite.name === name);
}
