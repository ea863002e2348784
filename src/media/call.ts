// One call on the media server: two parties, each with its own ports for the life of the call, and its recording.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import type { NgEvent, NgOk } from '../ng/reply.ts';
import type { NgAnswer, NgOffer, NgPlayMedia, NgStopMedia } from '../ng/request.ts';
import { blockEvents, takeCodes, watchEvents } from './call-dtmf.ts';
import { CallNaming } from './call-naming.ts';
import { CallParties, type Places } from './call-parties.ts';
import {
  type CallParty,
  formatsSentBy,
  otherOf,
  refused,
  refuseOtherFamily,
  secondsNow,
  warnOfSilence,
} from './call-party.ts';
import { CallRecording, type EndReason, type RecordingContext } from './call-recording.ts';
import { announceTo, type Hearing, playTo } from './call-sounds.ts';
import type { Announced, ConsentTones, ReadyTone } from './consent-tones.ts';
import { type Description, describeFor, readDescription } from './description.ts';
import type { PacketEngine, Shard } from './io/engine.ts';
import { outgoingProtocol } from './transport-protocol.ts';

export interface CallContext extends RecordingContext, Places {
  engine: PacketEngine;
  /** Tells the parties that they are recorded. */
  consent: ConsentTones;
  /** Whether recordings that begin now are to be without DTMF. */
  isDtmfDropped(): boolean;
  log: Logger;
}

/** Tells the controller of a call something that it has not asked for. */
export type Tell = (event: NgEvent) => void;

export class Call implements Announced {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created = secondsNow();
  lastSignal = secondsNow();
  recording: CallRecording | undefined;
  readonly #context: CallContext;
  readonly #log: Logger;
  readonly #parties: CallParties;
  #isRecordedWhenAnswered = false;
  /** The recording is one without DTMF. */
  #isDtmfDropped = false;
  readonly #naming = new CallNaming();
  #shard: Shard | undefined;
  readonly #onLost: (call: Call, reason: string) => void;
  #tell: Tell = () => undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param onLost what relays it is gone: nothing of its media is left, and it must be closed */
  constructor(id: string, context: CallContext, onLost: (call: Call, reason: string) => void) {
    this.id = id;
    this.#onLost = onLost;
    this.#context = context;
    this.#log = context.log.child({ ngCall: id });
    this.#parties = new CallParties(context);
  }

  /** The offerer of the first offer, then the other; none before it. */
  get parties(): readonly CallParty[] {
    return this.#parties.all;
  }

  /** Runs one request after the other, in the order in which they came. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /**
   * The offer of one party, rewritten for the other.
   * @throws GrecError SDP_INVALID, PORTS_EXHAUSTED, PORT_UNUSABLE, NG_REFUSED
   */
  async offer(request: NgOffer, tell: Tell): Promise<NgOk> {
    this.#tell = tell;
    const description = readDescription(request, this.#context.addresses);
    const isFirst = this.parties.length === 0;
    if (isFirst) await this.#open(request, description);
    const { party, isNewcomer } = this.#parties.seat(request['from-tag'], request['to-tag']);
    // It has not heard that it is recorded.
    if (isNewcomer) this.#context.consent.end(this);
    const other = otherOf(this.parties, party);
    const { protocol, kind, suites } = outgoingProtocol(request, description.audio);
    party.crypto.takeOffer(description.audio);
    this.#adopt(party, description);
    this.#watchEvents(party, request, tell);
    this.#noteWish(request);
    const attributes = other.crypto.offer(kind, suites);
    // Of a first offer nothing is lost that comes before it is in force: it is held.
    if (!isFirst) await this.#shard?.settled();
    return {
      result: 'ok',
      sdp: describeFor(other.leg, description, { protocol, attributes }, request.replace),
    };
  }

  /**
   * The answer of the other party, rewritten for the offerer.
   * @throws GrecError SDP_INVALID, NG_REFUSED
   */
  async answer(request: NgAnswer, tell: Tell): Promise<NgOk> {
    const offerer = this.parties.find(({ tag }) => tag === request['from-tag']);
    if (offerer?.description === undefined) throw refused(`no offer from tag ${request['from-tag']}`);
    const description = readDescription(request, this.#context.addresses);
    const party = otherOf(this.parties, offerer);
    if (party.tag !== request['to-tag']) party.tag = request['to-tag'];
    party.crypto.takeAnswer(description.audio);
    this.#noteWish(request);
    // Before the answerer's held packets are let in, so that they are recorded too.
    if (this.#isRecordedWhenAnswered && this.#shard !== undefined) this.#record(this.#shard);
    this.#describe(party, description);
    this.#watchEvents(party, request, tell);
    const attributes = offerer.crypto.answer();
    offerer.leg.protect(offerer.crypto.protection);
    this.#adopt(party, description);
    this.recording?.update(this.#naming.streams(this.parties));
    this.#announceRecording();
    await this.#shard?.settled();
    const { protocol } = offerer.description.audio;
    return {
      result: 'ok',
      sdp: describeFor(offerer.leg, description, { protocol, attributes }, request.replace),
    };
  }

  /** @throws GrecError SPOOL_WRITE when the segment cannot be opened; NG_REFUSED before there is an offer */
  async startRecording(metadata: string | undefined): Promise<NgOk> {
    const shard = this.#shard;
    if (this.parties.length < 2 || shard === undefined) throw refused('the call has no media yet');
    this.#naming.adopt(metadata);
    this.recording?.resume();
    const recording = this.#record(shard);
    this.#announceRecording();
    await recording.opened();
    await shard.settled();
    return { result: 'ok' };
  }

  /** When this resolves, no packet that comes is copied until it is started again. */
  async pauseRecording(): Promise<void> {
    this.recording?.pause();
    this.#endTone();
    await this.#shard?.settled();
  }

  /** @param tag of the party whose media goes no further, or does again; both when left out */
  async blockMedia(isBlocked: boolean, tag: string | undefined): Promise<void> {
    for (const party of this.#parties.named(tag))
      party.leg.relayTo(isBlocked ? undefined : otherOf(this.parties, party).leg);
    await this.#shard?.settled();
  }

  /** @param tag of the party whose telephone events end here, or no longer do; both when left out */
  async blockDtmf(isBlocked: boolean, tag: string | undefined): Promise<void> {
    for (const party of this.#parties.named(tag)) party.isDtmfBlocked = isBlocked;
    blockEvents(this.parties);
    await this.#shard?.settled();
  }

  /** As soon as it is known how each party can be told. */
  #announceRecording(): void {
    const isKnown = this.parties.every(({ description }) => description !== undefined);
    if (isKnown && this.recording?.isPaused === false) this.#context.consent.begin(this);
  }

  #endTone(): void {
    this.#context.consent.end(this);
    for (const { leg } of this.parties) leg.sound(undefined);
  }

  /** Its parties, or those that are to, hear the consent tone once. */
  announce(tone: ReadyTone): void {
    const roleOf = (party: CallParty) => this.#naming.roleOf(party, this.parties);
    announceTo(this.#hearings(this.parties), tone, roleOf, this.#log);
  }

  /** Plays to whom the request names, each as it hears. @throws GrecError NG_REFUSED, SOUND_UNUSABLE: then to nobody */
  async playMedia(request: NgPlayMedia): Promise<NgOk> {
    const reply = playTo(this.#hearings(this.#listeners(request)), request);
    await this.#shard?.settled();
    return reply;
  }

  async stopMedia(request: NgStopMedia): Promise<void> {
    for (const { leg } of this.#listeners(request)) leg.play(undefined);
    await this.#shard?.settled();
  }

  #listeners({ flags = [], all, 'from-tag': tag }: NgPlayMedia | NgStopMedia): CallParty[] {
    return this.#parties.named(flags.includes('all') || all !== undefined ? undefined : tag);
  }

  /** When this resolves, no packet that comes is copied any more. */
  async stopRecording(reason: EndReason): Promise<void> {
    this.#isRecordedWhenAnswered = false;
    const { recording } = this;
    this.recording = undefined;
    recording?.end(reason);
    this.#endTone();
    if (recording !== undefined) await this.#shard?.settled();
  }

  /** Ends the call: the recording first, then the ports. */
  async close(reason: EndReason): Promise<void> {
    // What the parties sent before the call ended may have come in the same turn as the request that ends it.
    await nextTurn();
    // Orders are obeyed in their order: when the legs are closed, nothing is copied any more.
    void this.stopRecording(reason);
    warnOfSilence(await this.#parties.close(), this.#log);
    this.#shard?.release();
    this.#shard = undefined;
  }

  /** Tells the controller that the media of the call is gone. */
  tellLost(reason: string): void {
    this.#tell({ event: 'lost', 'call-id': this.id, reason });
  }

  /** Brings what is known of its legs up to date. */
  async refresh(): Promise<void> {
    await Promise.all(this.parties.map(({ leg }) => leg.refresh()));
  }

  /** Wall clock of the last sign of life, in seconds since 1970. */
  lastSign(): number {
    const packets = this.parties.map(({ leg }) => Math.max(leg.rtp.lastAt, leg.rtcp.lastAt) / 1e6);
    return Math.max(this.lastSignal, ...packets);
  }

  async #open(request: NgOffer, description: Description): Promise<void> {
    this.#shard ??= await this.#context.engine.shard((reason) => this.#onLost(this, reason));
    await this.#parties.open(this.#shard, request, description);
  }

  #hearings(parties: readonly CallParty[]): Hearing[] {
    return parties.map((party) => ({ party, other: otherOf(this.parties, party) }));
  }

  #adopt(party: CallParty, description: Description): void {
    this.#parties.refuseLoop(description);
    refuseOtherFamily(party.leg, description);
    this.#describe(party, description);
    party.leg.protect(party.crypto.protection);
    party.leg.expect(description.remote);
  }

  /** Before its packets are let in by what it says. */
  #describe(party: CallParty, description: Description): void {
    party.description = description;
    for (const one of this.parties) one.copied.note(formatsSentBy(one, otherOf(this.parties, one)));
    this.#keepKeysOut();
  }

  #keepKeysOut(): void {
    if (this.#isDtmfDropped) for (const { leg, copied } of this.parties) leg.copyOnly(copied.payloadTypes);
  }

  #watchEvents(party: CallParty, request: NgOffer | NgAnswer, tell: Tell): void {
    takeCodes(party, request);
    watchEvents(this.parties, ({ tag }, code) => tell({ event: 'dtmf', 'call-id': this.id, tag, code }));
  }

  #noteWish(request: NgOffer | NgAnswer): void {
    const wish = request['record call'];
    if (wish !== undefined) this.#isRecordedWhenAnswered = wish === 'yes' || wish === 'on';
    this.#naming.adopt(request.metadata);
  }

  #record(shard: Shard): CallRecording {
    this.#isRecordedWhenAnswered = false;
    if (this.recording !== undefined) return this.recording;
    const wasDtmfDropped = this.#isDtmfDropped;
    this.#isDtmfDropped = this.#context.isDtmfDropped();
    if (wasDtmfDropped) for (const { leg } of this.parties) leg.copyOnly(undefined);
    this.#keepKeysOut();
    const { metadata } = this.#naming;
    const recording = new CallRecording(this.#context, {
      ngCallId: this.id,
      shard,
      metadata,
      parties: metadata === undefined ? this.#naming.strangers(this.parties) : undefined,
      streams: this.#naming.streams(this.parties),
      legs: this.parties.map((party) => ({
        label: this.#naming.labelOf(party, this.parties),
        leg: party.leg,
      })),
      log: this.#log.child({ call: metadata?.call, recording: metadata?.recording }),
    });
    this.recording = recording;
    return recording;
  }
}
