// The demonstration's voices: both there, as long as the call, taking turns.
import t from 'tap';
import { DIALOGUE_MS, loadVoice, type Speaker } from './dialogue.ts';

/** The 20 ms packets in which a side speaks, by their number. */
function spokenPackets(speaker: Speaker): number[] {
  const { linear } = loadVoice(speaker);
  const packets = Array.from({ length: linear.length / 160 }, (_, index) => index);
  return packets.filter((index) =>
    linear.subarray(index * 160, index * 160 + 160).some((sample) => Math.abs(sample) > 300),
  );
}

t.test('both sides last as long as the call, and linear is mu-law expanded', async (t) => {
  for (const speaker of ['agent', 'customer'] as const) {
    const { mulaw, linear } = loadVoice(speaker);
    t.equal(mulaw.length, DIALOGUE_MS * 8);
    t.equal(linear.length, mulaw.length);
  }
  t.ok(DIALOGUE_MS > 11_000 && DIALOGUE_MS < 13_000, 'about twelve seconds');
});

t.test(
  'each side speaks for five seconds and more, in two turns, with only a few words at once',
  async (t) => {
    const agent = spokenPackets('agent');
    const customer = spokenPackets('customer');
    t.ok(agent.length > 200 && customer.length > 200);
    t.ok((agent[0] ?? 0) < (customer[0] ?? 0), 'the agent greets first');
    t.ok((customer.at(-1) ?? 0) > (agent.at(-1) ?? 0), 'the customer has the last word');
    const both = agent.filter((index) => customer.includes(index));
    t.ok(both.length > 0 && both.length < 50, `${both.length} packets at once`);
  },
);
