// The keys of SRTP with one party, offered and answered (RFC 4568 sections 5.1 and 7.1).
//
// In an offer to the party every suite has a key of ours, which stays for as long as the party does; the party chooses one. Of its
// own offer we take the first line that can be had.
import { randomBytes } from 'node:crypto';
import { GrecError } from '../errors.ts';
import { masterKeyBytes } from '../rtp/srtp-keys.ts';
import { SRTP_SUITES, type SrtpSuite, type SrtpSuiteName, srtpSuite } from '../rtp/srtp-suite.ts';
import { type CryptoLine, cryptoLines, printCrypto } from '../sdp/crypto.ts';
import { hasKeysInSdp, isSecure } from '../sdp/offer-answer.ts';
import type { Attribute, MediaDescription } from '../sdp/session-description.ts';
import type { LegProtection } from './io/engine.ts';

/** What the party was offered: plain RTP, SRTP, or RTP/AVP with keys, which leaves it the choice (RFC 8643). */
export type Offered = 'plain' | 'srtp' | 'either';

interface Chosen {
  suite: SrtpSuite;
  line: CryptoLine;
}

export class CryptoExchange {
  /** Our keys towards the party. */
  readonly #own = new Map<SrtpSuiteName, Buffer>();
  /** The line of the party's own offer that was taken; undefined for plain RTP. */
  #taken: Chosen | undefined;
  #offered: { kind: Offered; suites: readonly SrtpSuite[] } = { kind: 'plain', suites: [] };
  #receive: LegProtection['receive'];
  #send: LegProtection['send'];

  #isAgreed = false;

  /** How its packets are protected; undefined for plain RTP. What is offered changes nothing before it is answered. */
  get protection(): LegProtection | undefined {
    const isPlain = this.#isAgreed ? this.#receive === undefined : this.#taken === undefined;
    return isPlain ? undefined : { receive: this.#receive, send: this.#send };
  }

  /** The party offers. @throws GrecError SDP_INVALID when it wants SRTP that cannot be had */
  takeOffer(audio: MediaDescription): void {
    const { chosen, reason } = choose(audio, SRTP_SUITES);
    if (chosen === undefined && isSecure(audio)) throw refused(audio, reason);
    this.#taken = chosen;
  }

  /** The attributes of our answer to its offer. */
  answer(): Attribute[] {
    this.#agree(this.#taken);
    if (this.#taken === undefined) return [];
    const { suite, line } = this.#taken;
    return [crypto(line.tag, suite, this.#ownKey(suite))];
  }

  /** The attributes of our offer to it. */
  offer(kind: Offered, suites: readonly SrtpSuite[]): Attribute[] {
    this.#offered = { kind, suites };
    if (kind === 'plain') return [];
    return suites.map((suite, index) => crypto(index + 1, suite, this.#ownKey(suite)));
  }

  /**
   * It has answered our offer. Moved from another place it may answer what it was offered there: then its suite counts, not the tag.
   * @throws GrecError SDP_INVALID when it did not choose among what it was offered
   */
  takeAnswer(audio: MediaDescription): void {
    const { kind, suites } = this.#offered;
    const isBetrayed = kind === 'srtp' && !isSecure(audio);
    if (isBetrayed) throw invalid(`it answers ${audio.protocol}, and was offered SRTP`);
    if (kind === 'plain' && isSecure(audio))
      throw invalid(`it answers ${audio.protocol}, and was offered plain RTP`);
    const { chosen, reason } = kind === 'plain' ? {} : choose(audio, suites);
    if (chosen === undefined && isSecure(audio)) throw refused(audio, reason);
    this.#agree(chosen);
  }

  #agree(chosen: Chosen | undefined): void {
    this.#isAgreed = true;
    const before = this.#send?.suite;
    // A key that has been in use and is not any more must not come back: its counters are forgotten (RFC 3711 section 9.1).
    if (before !== undefined && before !== chosen?.suite.name) this.#own.delete(before);
    this.#receive = chosen && receiving(chosen);
    this.#send = chosen && {
      suite: chosen.suite.name,
      master: this.#ownKey(chosen.suite).toString('base64'),
    };
  }

  #ownKey(suite: SrtpSuite): Buffer {
    const key = this.#own.get(suite.name) ?? randomBytes(masterKeyBytes(suite));
    this.#own.set(suite.name, key);
    return key;
  }
}

function crypto(tag: number, suite: SrtpSuite, keyAndSalt: Buffer): Attribute {
  return { name: 'crypto', value: printCrypto({ tag, suite: suite.name, keyAndSalt }) };
}

function receiving({ suite, line }: Chosen): LegProtection['receive'] {
  const keys = line.keys.map(({ keyAndSalt, mki }) => ({
    master: keyAndSalt.toString('base64'),
    ...(mki && { mki: mki.toString('base64') }),
  }));
  return { suite: suite.name, keys };
}

/** The first line that can be had, in the order of who wrote them (RFC 4568 section 5.1.2). */
function choose(audio: MediaDescription, suites: readonly SrtpSuite[]): { chosen?: Chosen; reason?: string } {
  const { lines, refused } = cryptoLines(audio);
  for (const line of lines) {
    const suite = srtpSuite(line.suite);
    if (suite === undefined || !suites.includes(suite)) refused.push(`the suite ${line.suite}`);
    else if (line.keys.some(({ keyAndSalt }) => keyAndSalt.length !== masterKeyBytes(suite)))
      refused.push(`a key of another length than ${line.suite} takes`);
    else return { chosen: { suite, line } };
  }
  return { reason: refused.length === 0 ? 'no a=crypto line' : refused.slice(0, 4).join(', ') };
}

function refused(audio: MediaDescription, reason = 'no a=crypto line'): GrecError {
  if (!hasKeysInSdp(audio)) return invalid(`its audio is ${audio.protocol}, whose keys are agreed by DTLS`);
  return invalid(`its audio is ${audio.protocol}, and its keys cannot be used: ${reason}`);
}

function invalid(reason: string): GrecError {
  return new GrecError('SDP_INVALID', `the session description cannot be used: ${reason}`, {
    hint: 'SRTP takes a=crypto with AES_CM_128_HMAC_SHA1_80 or _32, AEAD_AES_128_GCM or AEAD_AES_256_GCM',
  });
}
