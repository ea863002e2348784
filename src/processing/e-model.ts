// An estimate of the mean opinion score: the E-model of ITU-T G.107, simplified. Pure.
//
//   R = R0 - Is - Id - Ie,eff,  with all inputs at their defaults but packet loss, its burstiness and delay
//
// R0 - Is is 93.2: no noise, echo or level is measured. Id is the usual fit of two lines to G.107's curve (Cole and Rosenbluth,
// 2001). Ie,eff is formula 7-29, with Ie and Bpl of G.113 appendix I.

/** Equipment impairment, and robustness against loss. G.711 without concealment: what a receiver does about loss is not known. */
const CODECS: Record<string, { impairment: number; robustness: number } | undefined> = {
  PCMU: { impairment: 0, robustness: 4.3 },
  PCMA: { impairment: 0, robustness: 4.3 },
  G729: { impairment: 11, robustness: 19 },
  G723: { impairment: 15, robustness: 16.1 },
  GSM: { impairment: 20, robustness: 10 },
};
const UNIMPAIRED = 93.2;
/** Delay beyond which conversation suffers, in milliseconds. */
const NOTICED_MS = 177.3;

export interface Impairments {
  /** Upper case, as SDP has it. */
  encoding: string;
  /** 0 to 1. */
  lossRate: number;
  /** Average number of packets that are lost in a row; 1 when none is. */
  meanLossRun: number;
  /** One way, mouth to ear as far as it is known, in milliseconds. */
  delayMs: number;
}

/** From 1 to 4.5, with two digits; undefined for an encoding of which the model knows nothing here. */
export function estimateMos({ encoding, lossRate, meanLossRun, delayMs }: Impairments): number | undefined {
  const codec = CODECS[encoding];
  if (codec === undefined) return undefined;
  // 1 when losses are independent of one another (G.107 section 7.5).
  const burstiness = Math.max(1, meanLossRun * (1 - lossRate));
  const percent = lossRate * 100;
  const { impairment, robustness } = codec;
  const equipment = impairment + ((95 - impairment) * percent) / (percent / burstiness + robustness);
  const delay = 0.024 * delayMs + 0.11 * Math.max(0, delayMs - NOTICED_MS);
  return Math.round(mosOf(UNIMPAIRED - equipment - delay) * 100) / 100;
}

/** G.107 annex B. */
function mosOf(rating: number): number {
  if (rating <= 0) return 1;
  if (rating >= 100) return 4.5;
  return Math.max(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6);
}
