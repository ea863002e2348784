// Which media server is used: the first one that lives; and what is told when one is lost, or comes back.
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { GrecError } from '../errors.ts';
import { silentLogger } from '../log.ts';
import type { NgOk } from '../ng/reply.ts';
import type { Legs } from './call-model.ts';
import { Leg } from './leg.ts';
import { MediaServers } from './media-servers.ts';

/** What each server answers to a ping; undefined: nothing. */
type Answers = (string | undefined)[];

const party = { number: '', uri: '', name: undefined, dn: undefined, trunk: undefined };
const legs: Legs = {
  a: new Leg({ label: 'a', tag: 'a', party, source: '192.0.2.1' }),
  b: new Leg({ label: 'b', tag: 'b', party, source: '192.0.2.2' }),
};
const SDP = Buffer.from(
  'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n',
);

function setUp(answers: Answers, weights: number[] = []) {
  const told: string[] = [];
  /** Where a call that was lost could go just then. */
  const atLoss: (string | undefined)[] = [];
  const asked: string[] = [];
  let pings = 0;
  const waiting: { pattern: string; resolve: () => void }[] = [];
  const tell = (what: string) => {
    told.push(what);
    for (const { pattern, resolve } of waiting) if (pattern === what) resolve();
  };
  const clients = answers.map((_, index) => ({
    address: { host: '192.0.2.9', port: 2223 + index, weight: weights[index] ?? 0 },
    ng: {
      async request({ command }: { command: string }): Promise<NgOk> {
        const instance = answers[index];
        if (command === 'ping') pings += 1;
        if (command !== 'ping') asked.push(`${index} ${command}`);
        else if (instance === undefined) throw new GrecError('NG_TIMEOUT', 'no reply');
        return { result: 'pong', sdp: SDP.toString(), instance: instance ?? '' };
      },
      close: async () => undefined,
    },
  }));
  const servers: MediaServers = new MediaServers({
    clients,
    log: silentLogger(),
    onLost: ({ name }) => {
      atLoss.push(servers.living?.name);
      tell(`lost ${name}`);
    },
    onFound: ({ name }) => tell(`found ${name}`),
    pingIntervalMs: 2,
  });
  // The timers of the watch do not keep a process alive.
  const until = async (pattern: string) => {
    const seen = new Promise<void>((resolve) => waiting.push({ pattern, resolve }));
    const alive = setInterval(() => {}, 1000);
    if (!told.includes(pattern)) await seen;
    clearInterval(alive);
  };
  /** So many have been sent; the answers to all but the last are in. */
  const pinged = async (count: number) => {
    while (pings < count) await delay(1);
  };
  return { servers, told, asked, until, pinged, atLoss };
}

t.test('the first one that lives is used', async (t) => {
  const answers: Answers = ['one', 'two'];
  const { servers, asked, until } = setUp(answers);
  t.teardown(() => servers.close());
  const before = servers.anchor('call', legs);
  await before.offer('a', SDP);
  answers[0] = undefined;
  await until('lost 192.0.2.9:2223');
  t.ok(servers.isLost(before));
  const after = servers.anchor('call', legs);
  await after.offer('a', SDP);
  t.same(asked, ['0 offer', '1 offer']);
  t.notOk(servers.isLost(after));
  answers[0] = 'three';
  await until('found 192.0.2.9:2223');
  t.same(servers.status(), [
    { server: '192.0.2.9:2223', alive: true },
    { server: '192.0.2.9:2224', alive: true },
  ]);
  t.ok(servers.isLost(before), 'what it held before it died is gone');
});

t.test('those with a weight share the calls; one without stands in when none of them lives', async (t) => {
  const answers: Answers = ['one', 'two', 'three'];
  const { servers, asked, until } = setUp(answers, [0, 2, 1]);
  t.teardown(() => servers.close());
  const offers = async (count: number) => {
    asked.length = 0;
    for (let n = 0; n < count; n += 1) await servers.anchor('call', legs).offer('a', SDP);
    return asked.map((one) => Number(one[0]));
  };
  t.same(await offers(6), [1, 2, 1, 1, 2, 1]);
  answers[1] = undefined;
  await until('lost 192.0.2.9:2224');
  t.same(await offers(3), [2, 2, 2]);
  answers[2] = undefined;
  await until('lost 192.0.2.9:2225');
  t.same(await offers(2), [0, 0]);
});

t.test('one that was started again between two pings has lost its calls, and takes them again', async (t) => {
  const answers: Answers = ['one'];
  const { servers, told, until, pinged, atLoss } = setUp(answers);
  t.teardown(() => servers.close());
  const media = servers.anchor('call', legs);
  await pinged(3);
  t.same(told, []);
  answers[0] = 'two';
  await until('lost 192.0.2.9:2223');
  t.ok(servers.isLost(media));
  t.same(atLoss, ['192.0.2.9:2223'], 'its calls move to where it lives now, and not away from it first');
  t.notOk(servers.isLost(servers.anchor('call', legs)));
});

t.test('without any, a call is told at once', async (t) => {
  const { servers, asked, until } = setUp([undefined]);
  t.teardown(() => servers.close());
  await until('lost 192.0.2.9:2223');
  await t.rejects(servers.anchor('call', legs).offer('a', SDP), {
    code: 'NG_TIMEOUT',
    message: /no media server/,
  });
  t.same(asked, []);
});

t.test('a call that its server lost is lost, and no call that was anchored anew', async (t) => {
  const { servers } = setUp(['one']);
  const first = servers.anchor('call', legs);
  const second = servers.anchor('call', legs);
  t.equal(servers.noteLoss(second, 'call'), false, 'the name of the first');
  t.equal(servers.isLost(second), false);
  t.equal(servers.noteLoss(first, 'call'), true);
  t.equal(servers.isLost(first), true);
  t.equal(servers.noteLoss(first, 'call'), false, 'told again');
  await servers.close();
});
