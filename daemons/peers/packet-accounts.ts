// What became of every packet of a call whose media server was killed: heard by the other party, recorded, or within the stated loss.

/** The media server's last packets that it captured may be so much younger than the kill: its workers end a moment after it. */
const AFTERLIFE_MS = 500;

/** All packets of one direction of one call, by number. Times in milliseconds, of one clock. */
export interface FlowHistory {
  name: string;
  /** When packet n was sent; NaN when it was not: its sender had no address. */
  sent: readonly number[];
  /** How often packet n reached the other party. */
  heard: ArrayLike<number>;
  /** The numbers in its captures, one a segment, in order of time. */
  captures: readonly (readonly number[])[];
}

export interface PacketAccount {
  sent: number;
  heard: number;
  recorded: number;
  /** Neither written nor to be written when the media server was killed: younger than the flush interval. */
  unflushed: number;
  /** Sent from a kill until the media server captured again: those that were heard all the same (directly), and those not. */
  outageHeard: number;
  outageLost: number;
  /** The oldest packet that a kill has taken, and the longest time without a recording, in milliseconds. */
  worstUnflushedMs: number;
  worstOutageMs: number;
  /** Packets that nothing accounts for, in words. */
  problems: string[];
}

export function noPackets(): PacketAccount {
  return {
    sent: 0,
    heard: 0,
    recorded: 0,
    unflushed: 0,
    outageHeard: 0,
    outageLost: 0,
    worstUnflushedMs: 0,
    worstOutageMs: 0,
    problems: [],
  };
}

/**
 * Adds the packets of one flow to `account`.
 * @param kills when the media server or a worker of it was killed, in order
 * @param lossMs how old what a kill takes may be: the flush interval, and what the machine may be late by
 */
export function accountFor(
  flow: FlowHistory,
  kills: readonly number[],
  lossMs: number,
  account: PacketAccount,
): void {
  const { name, sent, heard } = flow;
  const { problems } = account;
  const at = (n: number) => sent[n] ?? Number.NaN;
  for (let n = 0; n < sent.length; n += 1) {
    if (Number.isNaN(at(n))) continue;
    account.sent += 1;
    if ((heard[n] ?? 0) > 0) account.heard += 1;
    if ((heard[n] ?? 0) > 1) problems.push(`${name}: packet ${n} was heard ${heard[n]} times`);
  }
  const captures = flow.captures.filter(({ length }) => length > 0);
  for (const numbers of captures) checkCapture(flow, numbers, account);
  let last = -1;
  for (const numbers of [...captures, [sent.length]]) {
    const next = numbers[0] ?? sent.length;
    const missing = numbersSent(sent, last + 1, next);
    const oldest = missing[0];
    if (oldest !== undefined) {
      const isLost = last < 0 || next === sent.length;
      const kill = isLost ? undefined : killOf(kills, at(last), at(next), at(oldest), lossMs);
      if (kill === undefined)
        problems.push(
          `${name}: packets ${oldest} to ${missing.at(-1)} are in no capture, and no kill tells why`,
        );
      else countMissing(flow, missing, kill, account);
      if (kill !== undefined) account.worstOutageMs = Math.max(account.worstOutageMs, at(next) - kill);
    }
    last = Math.max(last, numbers.at(-1) ?? last);
  }
}

/** Between its first packet and its last a capture has all, in order and once, and all were relayed. */
function checkCapture(
  { name, sent, heard }: FlowHistory,
  numbers: readonly number[],
  account: PacketAccount,
) {
  account.recorded += numbers.length;
  const [first = 0] = numbers;
  const expected = numbersSent(sent, first, (numbers.at(-1) ?? first) + 1);
  if (expected.length !== numbers.length || expected.some((n, index) => n !== numbers[index]))
    account.problems.push(`${name}: a capture from ${first} to ${numbers.at(-1)} is not what was sent`);
  const unheard = numbers.filter((n) => (heard[n] ?? 0) === 0);
  if (unheard.length > 0)
    account.problems.push(`${name}: recorded and not relayed: ${unheard.slice(0, 5)} of ${unheard.length}`);
}

function numbersSent(sent: readonly number[], from: number, to: number): number[] {
  const numbers: number[] = [];
  for (let n = from; n < to; n += 1) if (!Number.isNaN(sent[n] ?? Number.NaN)) numbers.push(n);
  return numbers;
}

/** The last kill that can have taken the oldest of the packets that are missing. */
function killOf(kills: readonly number[], last: number, next: number, oldest: number, lossMs: number) {
  return kills.findLast((kill) => kill > last - AFTERLIFE_MS && kill < next && kill - oldest <= lossMs);
}

function countMissing({ sent, heard }: FlowHistory, missing: number[], kill: number, account: PacketAccount) {
  for (const n of missing) {
    const age = kill - (sent[n] ?? Number.NaN);
    if (age > 0) {
      account.unflushed += 1;
      account.worstUnflushedMs = Math.max(account.worstUnflushedMs, age);
    } else if ((heard[n] ?? 0) > 0) account.outageHeard += 1;
    else account.outageLost += 1;
  }
}
