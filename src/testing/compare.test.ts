// The comparison accepts what is sample-exact and silent elsewhere, and nothing else.
import t from 'tap';
import { findAudio } from './compare.ts';
import { loadVoice } from './dialogue.ts';

const SENT = loadVoice('agent').linear.subarray(0, 40_000);

/** A channel of `length` samples of silence with `sent` at `offset`. */
function channelWith(sent: Int16Array, offset: number, length = sent.length + 3000): Int16Array {
  const channel = new Int16Array(length);
  channel.set(sent, offset);
  return channel;
}

t.test('audio at any offset in silence is exact', async (t) => {
  for (const offset of [0, 1, 159, 1234]) {
    t.same(findAudio(channelWith(SENT, offset), SENT), { exact: true, offset });
  }
});

t.test('a channel of exactly its length is exact', async (t) => {
  t.same(findAudio(SENT, SENT), { exact: true, offset: 0 });
});

t.test('one sample that differs by one is found, wherever it stands', async (t) => {
  for (const at of [0, 5000, 20_000, SENT.length - 1]) {
    const channel = channelWith(SENT, 800);
    const expected = SENT[at] ?? 0;
    channel[800 + at] = expected + 1;
    t.same(findAudio(channel, SENT), {
      exact: false,
      offset: 800,
      firstDifference: { at: 800 + at, expected, found: expected + 1 },
    });
  }
});

t.test('sound before or after what was sent is found', async (t) => {
  for (const at of [799, 800 + SENT.length]) {
    const channel = channelWith(SENT, 800);
    channel[at] = -4;
    const found = findAudio(channel, SENT);
    t.match(found, { exact: false, firstDifference: { at, expected: 0, found: -4 } });
  }
});

t.test('a lost packet is found although the rest is right', async (t) => {
  const channel = channelWith(SENT, 160);
  channel.fill(0, 8000, 8160);
  t.match(findAudio(channel, SENT), { exact: false, offset: 160 });
});

t.test('a channel that lacks the silent beginning or the silent end is not exact', async (t) => {
  const sent = new Int16Array(SENT.length + 640);
  sent.set(SENT, 320);
  t.match(findAudio(sent.subarray(160), sent), {
    exact: false,
    offset: -160,
    firstDifference: { at: -160, expected: 0, found: undefined },
  });
  t.match(findAudio(sent.subarray(0, -160), sent), { exact: false, offset: 0 });
});

t.test('other audio is not taken for it', async (t) => {
  const other = loadVoice('customer').linear;
  t.match(findAudio(other, SENT), { exact: false, offset: undefined });
  t.match(findAudio(new Int16Array(0), SENT), { exact: false, offset: undefined });
});
