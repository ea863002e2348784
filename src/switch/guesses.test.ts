// Who guesses passwords: the silence grows, is forgotten, and takes little memory.
import fc from 'fast-check';
import t from 'tap';
import { Guesses, sourceOf } from './guesses.ts';

function guessing(options: { capacity?: number } = {}) {
  let now = 0;
  const guesses = new Guesses({ now: () => now, ...options });
  const isSilent = (address: string, user = '7001') => guesses.isSilent(address, user, () => false);
  return { guesses, isSilent, later: (ms: number) => (now += ms) };
}

t.test('the silence doubles with each failure, up to a minute', async (t) => {
  const { guesses, isSilent, later } = guessing();
  const silences: number[] = [];
  for (let count = 0; count < 12; count++) {
    guesses.fail('192.0.2.1', '7001');
    let silence = 0;
    for (; isSilent('192.0.2.1'); silence += 500) later(500);
    silences.push(silence / 1000);
  }
  t.same(silences, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
});

t.test('a right password clears it; time does as well', async (t) => {
  const { guesses, isSilent, later } = guessing();
  for (let count = 0; count < 3; count++) guesses.fail('192.0.2.1', '7001');
  t.ok(isSilent('192.0.2.1'));
  t.notOk(isSilent('192.0.2.1', '7002'), 'another phone of the same address');
  t.notOk(isSilent('192.0.2.2'), 'the same user elsewhere');
  guesses.succeed('192.0.2.1', '7001');
  t.notOk(isSilent('192.0.2.1'));
  later(15 * 60_000 + 1);
  t.equal(guesses.fail('192.0.2.1', '7001'), 1);
});

t.test('one address that tries many users is silenced as a whole', async (t) => {
  const { guesses, isSilent } = guessing();
  for (let count = 0; count < 20; count++) guesses.fail('192.0.2.1', `${count}`);
  t.ok(isSilent('192.0.2.1', 'anybody'));
  t.notOk(
    guesses.isSilent('192.0.2.1', 'anybody', () => true),
    'but for phones that have registered there',
  );
});

t.test('an IPv6 host is its /64', async (t) => {
  t.equal(sourceOf('192.0.2.1'), '192.0.2.1');
  t.equal(sourceOf('2001:DB8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  t.equal(sourceOf('2001:db8::1'), '2001:db8:0:0::/64');
  t.equal(sourceOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  t.equal(sourceOf('::1'), '0:0:0:0::/64');
});

t.test('however many fail, few are remembered, the newest among them', async () => {
  fc.assert(
    fc.property(fc.array(fc.ipV4(), { minLength: 1, maxLength: 60 }), (addresses) => {
      const { guesses, isSilent } = guessing({ capacity: 8 });
      for (const address of addresses) for (let count = 0; count < 3; count++) guesses.fail(address, '7001');
      const newest = addresses.at(-1) ?? '';
      return isSilent(newest) && new Set(addresses.filter((address) => isSilent(address))).size <= 8;
    }),
  );
});
