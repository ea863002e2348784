// The accounts of packets hide nothing: what no kill explains is a problem.
import t from 'tap';
import { accountFor, type FlowHistory, noPackets } from './packet-accounts.ts';

const INTERVAL_MS = 20;
const LOSS_MS = 200;
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const sent = numbers(0, 500).map((n) => n * INTERVAL_MS);
/** Killed at 4 s (packet 200): packets from 195 on were not flushed, those from 200 to 299 not heard. */
const good: FlowHistory = {
  name: 'x',
  sent,
  heard: numbers(0, 500).map((n) => (n >= 201 && n < 300 ? 0 : 1)),
  captures: [numbers(0, 195), [], numbers(300, 500)],
};
const problemsOf = (more: Partial<FlowHistory>, kills = [4001]) => {
  const account = noPackets();
  accountFor({ ...good, ...more }, kills, LOSS_MS, account);
  return account.problems;
};

t.test('a kill takes what was not flushed, and the outage', async (t) => {
  const account = noPackets();
  accountFor(good, [4001], LOSS_MS, account);
  t.match(account, { sent: 500, heard: 401, recorded: 395, unflushed: 6, outageHeard: 0, outageLost: 99 });
  t.equal(account.worstUnflushedMs, 101);
  t.equal(account.worstOutageMs, 1999);
  t.strictSame(account.problems, []);
});

t.test('anything else is a problem', async (t) => {
  t.match(problemsOf({}, []), [/195 to 299 are in no capture, and no kill/]);
  t.match(problemsOf({}, [2000]), [/no kill/], 'a kill that has not hit it');
  t.match(
    problemsOf({ captures: [numbers(0, 180), numbers(300, 500)] }),
    [/180 to 299/],
    'older than the loss',
  );
  t.match(problemsOf({ captures: [numbers(0, 195), numbers(300, 499)] }), [/499 to 499/], 'the end');
  t.match(problemsOf({ captures: [numbers(1, 195), numbers(300, 500)] }), [/0 to 0/], 'the beginning');
  const holed = numbers(0, 195).filter((n) => n !== 50);
  t.match(problemsOf({ captures: [holed, numbers(300, 500)] }), [/not what was sent/], 'a hole');
  const twice = [...numbers(0, 195), 194];
  t.match(problemsOf({ captures: [twice, numbers(300, 500)] }), [/not what was sent/], 'recorded twice');
  t.match(problemsOf({ heard: numbers(0, 500).map((n) => (n === 7 ? 2 : 1)) }), [/heard 2 times/]);
  t.match(problemsOf({ heard: numbers(0, 500).map((n) => (n === 7 ? 0 : 1)) }), [/not relayed: 7 of 1/]);
  t.match(problemsOf({ captures: [] }), [/0 to 499/]);
});

t.test('what was never sent is missed by nobody', async (t) => {
  const some = sent.map((time, n) => (n === 100 ? Number.NaN : time));
  const captures = [numbers(0, 195).filter((n) => n !== 100), numbers(300, 500)];
  t.strictSame(problemsOf({ sent: some, captures }), []);
});
