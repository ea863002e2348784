// The index of packets: wraps, loss, reordering and repetition (RFC 3711 sections 3.3.1 and 3.3.2).
import fc from 'fast-check';
import t from 'tap';
import { guessIndex, ReplayWindow, WINDOW_PACKETS } from './srtp-index.ts';

t.test('the index nearest to the highest one', async (t) => {
  t.equal(guessIndex(-1, 65_535), 65_535, 'the first packet has roll-over counter 0');
  t.equal(guessIndex(65_535, 0), 65_536);
  t.equal(guessIndex(65_536, 65_535), 65_535, 'a late one from before the wrap');
  t.equal(guessIndex(65_536 * 7 + 3, 65_530), 65_536 * 6 + 65_530);
  t.equal(guessIndex(3, 65_530), 65_530, 'there is none before 0');
  t.equal(guessIndex(2 ** 48 - 1, 0), -1, 'the counter has run out');
  t.equal(guessIndex(40_000, 7_231), 65_536 + 7_231);
  t.equal(guessIndex(40_000, 7_232), 7_232);
});

t.test('any true index less than half a turn away is found', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 40 }),
      fc.integer({ min: -32_767, max: 32_767 }),
      (highest, step) => {
        const index = Math.max(0, highest + step);
        return guessIndex(highest, index % 65_536) === index;
      },
    ),
  );
});

t.test('each index is accepted once, as a set of all that came would say', async () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: -150, max: 5 }), fc.integer({ min: 0, max: 400 })), {
    maxLength: 300,
  });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1000 }), steps, (first, moves) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let highest = -1;
      let at = first;
      for (const move of moves) {
        at = Math.max(0, at + move);
        const isOld = at <= highest - WINDOW_PACKETS;
        if (window.isReplayed(at) !== (isOld || seen.has(at))) return false;
        if (window.isReplayed(at)) continue;
        window.accept(at);
        seen.add(at);
        highest = Math.max(highest, at);
      }
      return true;
    }),
  );
});
