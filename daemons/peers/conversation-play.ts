// Plays the script of a conversation with three phones, and keeps its diary.
import { setTimeout as delay } from 'node:timers/promises';
import { microsNow } from '../../src/spool/clock.ts';
import type { Phone, PhoneCall } from '../../src/testing/phone.ts';
import { RoughVoice } from '../../src/testing/rough-voice.ts';
import { type Asked, type Diary, RuleLine, type SpokenVoice } from './conversation-diary.ts';
import { type Act, randomOf, roughnessOf, type Script, type Side } from './conversation-script.ts';
import type { Desk, Stage } from './conversation-stage.ts';
import { connect } from './phones.ts';

/** What has left a phone may wait for so long, on a machine with little time, until the media server looks at it: microseconds. */
const TRANSIT_US = 100_000;

/** What was said so shortly before a pause ended, a packet and as much again, may count as said after it: microseconds. */
const LAST_PACKET_US = 40_000;

/** From the last word in one call to the first one in another. */
const BREATH_MS = 50;

interface Speaker extends SpokenVoice {
  phone: Phone;
  call: PhoneCall;
}

/** Resolves with the diary when it is over; what goes wrong is in it. */
export async function playConversation(stage: Stage, desk: Desk, script: Script): Promise<Diary> {
  const play = new Play(stage, desk, script);
  try {
    await play.run();
  } catch (thrown) {
    play.diary.problems.push(String(thrown));
  } finally {
    await play.close();
  }
  return play.diary;
}

class Play {
  readonly diary: Diary;
  readonly #stage: Stage;
  readonly #desk: Desk;
  readonly #calls: PhoneCall[] = [];
  #callId = '';
  #isHungUp = false;
  #sides: [Speaker, Speaker] | undefined;

  constructor(stage: Stage, desk: Desk, script: Script) {
    this.#stage = stage;
    this.#desk = desk;
    const { customer, agent, expert } = desk;
    this.diary = {
      script,
      numbers: { customer: customer.number, agent: agent.number, expert: expert.number },
      sessionId: '',
      voices: [],
      rules: new RuleLine('must'),
      pauses: [],
      holds: [],
      problems: [],
    };
  }

  async run(): Promise<void> {
    const { script } = this.diary;
    const order = script.agentCalls ? (['agent', 'customer'] as const) : (['customer', 'agent'] as const);
    const [out, into] = await this.#connect(this.#desk[order[0]], this.#desk[order[1]]);
    this.#sides = [this.#speak(order[0], out), this.#speak(order[1], into)];
    await this.#findCall();
    for (const { rules } of this.#sides) rules.change(microsNow(), 'must');
    await this.#acts(script.acts);
    await this.#end();
  }

  async close(): Promise<void> {
    for (const { voice } of this.diary.voices) this.#stage.pacer.remove(voice);
    for (const call of this.#calls) {
      await call.hangup().catch(() => undefined);
      call.media.receiver.streams.length = 0;
      await call.media.close();
    }
  }

  async #connect(from: Phone, to: Phone): Promise<[PhoneCall, PhoneCall]> {
    const calls = await connect(from, to);
    this.#calls.push(...calls);
    return calls;
  }

  /** From here on somebody speaks in this call; perhaps it is recorded already. */
  #speak(who: SpokenVoice['who'], call: PhoneCall): Speaker {
    const { seed, pacer } = this.#stage;
    const { voices, script } = this.diary;
    const random = randomOf(seed, script.index, 2, voices.length);
    const voice = new RoughVoice({
      seed: random.below(2 ** 32),
      roughness: roughnessOf(random),
      random,
      mayReceive: () => call.media.target?.mayReceive === true,
      send: (packet) => call.media.sendPacket(packet),
      now: microsNow,
    });
    const phone = this.#desk[who];
    const speaker = { who, number: phone.number, voice, rules: new RuleLine(), phone, call };
    speaker.rules.change(0, 'may');
    voices.push(speaker);
    pacer.add(voice);
    return speaker;
  }

  async #findCall(): Promise<void> {
    const { installation } = this.#stage;
    const path = `/calls?dn=${this.#desk.agent.number}`;
    const { calls } = await installation.ask<{ calls: { call: string; sessionId: string }[] }>(
      'grec-sipd',
      'GET',
      path,
    );
    const [found] = calls;
    if (found === undefined || calls.length > 1) throw new Error(`${calls.length} calls of ${path}`);
    this.#callId = found.call;
    this.diary.sessionId = found.sessionId;
  }

  get #both(): [Speaker, Speaker] {
    if (this.#sides === undefined) throw new Error('nobody is there');
    return this.#sides;
  }

  async #acts(acts: readonly Act[]): Promise<void> {
    for (const act of acts) if (!this.#isHungUp) await this.#act(act);
  }

  async #act(act: Act): Promise<void> {
    if (act.do === 'hang up') this.#isHungUp = true;
    else if (act.do === 'talk') await delay(act.ms);
    else if (act.do === 'hold') await this.#hold(act);
    else if (act.do === 'pause') await this.#pause(act);
    else if (act.do === 'stop') await this.#stop(act);
    else if (act.do === 'blind') await this.#blind(act);
    else await this.#attended(act);
  }

  async #hold({ by, hasMusic, how, acts }: Extract<Act, { do: 'hold' }>): Promise<void> {
    const holder = this.#both[by];
    const hold = await this.#putOnHold(holder, how);
    holder.voice.mute(!hasMusic);
    await this.#acts(acts);
    if (this.#isHungUp) return;
    const { call } = holder;
    const retrieve = how === 'UPDATE' ? () => call.update('sendrecv') : () => call.retrieve();
    hold.ended = await asked(async () => this.#expect('retrieve', await retrieve(), 200));
    holder.voice.mute(false);
  }

  async #putOnHold(
    { call, number }: Speaker,
    how: 'INVITE' | 'UPDATE' = 'INVITE',
  ): Promise<Diary['holds'][number]> {
    const ask = how === 'UPDATE' ? () => call.update('sendonly') : () => call.hold();
    const begun = await asked(async () => this.#expect('hold', await ask(), 200));
    const hold: Diary['holds'][number] = { by: number, begun, ended: undefined };
    this.diary.holds.push(hold);
    return hold;
  }

  async #pause({ acts }: Extract<Act, { do: 'pause' }>): Promise<void> {
    const { rules, pauses } = this.diary;
    const reason = `pause ${pauses.length + 1}`;
    rules.change(microsNow() - TRANSIT_US, 'may');
    const pause: Diary['pauses'][number] = {
      begun: await this.#request('pause', reason),
      ended: undefined,
      reason,
    };
    pauses.push(pause);
    rules.change(pause.begun.to, 'never');
    await this.#acts(acts);
    if (this.#isHungUp) return;
    rules.change(microsNow() - LAST_PACKET_US, 'may');
    pause.ended = await this.#request('resume', reason);
    rules.change(pause.ended.to, 'must');
  }

  /** What is said while nobody records may come late, and be recorded then: nobody minds. */
  async #stop({ acts }: Extract<Act, { do: 'stop' }>): Promise<void> {
    this.#unsettle(this.#both);
    const { to } = await this.#request('stop', 'enough');
    for (const { rules } of this.#both) rules.change(to, 'never');
    await this.#acts(acts);
    if (this.#isHungUp) return;
    this.#unsettle(this.#both);
    const begun = await this.#request('start', 'again');
    for (const { rules } of this.#both) rules.change(begun.to, 'must');
  }

  #request(operation: string, reason: string): Promise<Asked> {
    const body = { operation, reason, by: 'script' };
    const path = `/calls/${this.#callId}/recording`;
    return asked(async () => {
      const { changed } = await this.#stage.installation.ask<{ changed: boolean }>(
        'grec-sipd',
        'POST',
        path,
        body,
      );
      if (!changed) throw new Error(`${operation} changed nothing`);
    });
  }

  async #blind({ by, isHeld }: Extract<Act, { do: 'blind' }>): Promise<void> {
    const [leaving, staying] = [this.#both[by], this.#both[by === 0 ? 1 : 0]];
    if (isHeld) await this.#putOnHold(leaving);
    const third = this.#third();
    const { number } = this.#desk[third];
    this.#unsettle([leaving, staying]);
    const { status, outcome } = await leaving.call.refer(`sip:${number}@127.0.0.1`);
    this.#expect('REFER', status, 202);
    const there = await this.#desk[third].nextCall();
    this.#calls.push(there);
    await there.outcome;
    const coming = this.#speak(third, there);
    await this.#replace(by, coming, outcome, [leaving.call]);
  }

  async #attended({ by, ms }: Extract<Act, { do: 'attended' }>): Promise<void> {
    const [leaving, staying] = [this.#both[by], this.#both[by === 0 ? 1 : 0]];
    const third = this.#third();
    await this.#putOnHold(leaving);
    leaving.voice.mute();
    // One mouth: what it says in two calls never overlaps, not by what the places of two streams may differ by either.
    await delay(BREATH_MS);
    const [consulting, there] = await this.#connect(leaving.phone, this.#desk[third]);
    const rule = this.#isRecorded(third) || this.#isRecorded(leaving.who) ? 'must' : 'never';
    const pair = [this.#speak(leaving.who, consulting), this.#speak(third, there)] as const;
    for (const { rules } of pair) rules.change(microsNow(), rule);
    await delay(ms);
    this.#unsettle([staying, pair[1]]);
    if (rule === 'must') this.#unsettle([pair[0]]);
    const { status, outcome } = await leaving.call.refer(
      `sip:${this.#desk[third].number}@127.0.0.1`,
      consulting,
    );
    this.#expect('REFER', status, 202);
    await this.#replace(by, pair[1], outcome, [leaving.call, consulting]);
    this.#stage.pacer.remove(pair[0].voice);
  }

  /** Who is not in the call. */
  #third(): SpokenVoice['who'] {
    const there = this.#both.map(({ who }) => who);
    return (['customer', 'agent', 'expert'] as const).find((who) => !there.includes(who)) ?? 'expert';
  }

  #isRecorded(who: SpokenVoice['who']): boolean {
    return who === 'agent' || (who === 'expert' && this.#desk.isExpertRecorded);
  }

  /** The new party is there as soon as the switch says so. */
  async #replace(by: Side, coming: Speaker, outcome: Promise<number>, ending: PhoneCall[]): Promise<void> {
    this.#expect('the transfer', await outcome, 200);
    await Promise.all(ending.map(({ ended }) => ended));
    const [leaving, staying] = [this.#both[by], this.#both[by === 0 ? 1 : 0]];
    this.#stage.pacer.remove(leaving.voice);
    for (const { rules } of [coming, staying]) rules.change(microsNow(), 'must');
    this.#sides = by === 0 ? [coming, staying] : [staying, coming];
  }

  #unsettle(speakers: readonly Speaker[]): void {
    for (const { rules } of speakers) rules.change(microsNow() - TRANSIT_US, 'may');
  }

  async #end(): Promise<void> {
    const { by, whileSpeaking } = this.diary.script.end;
    const [first, other] = [this.#both[by], this.#both[by === 0 ? 1 : 0]];
    if (!whileSpeaking) {
      for (const { voice } of this.#both) this.#stage.pacer.remove(voice);
      await delay(TRANSIT_US / 1000);
    } else this.#unsettle(this.#both);
    await first.call.hangup();
    await other.call.ended;
  }

  #expect(what: string, status: number, wanted: number): void {
    if (status !== wanted) throw new Error(`${what}: ${status} instead of ${wanted}`);
  }
}

async function asked(ask: () => Promise<void>): Promise<Asked> {
  const from = microsNow();
  await ask();
  return { from, to: microsNow() };
}
