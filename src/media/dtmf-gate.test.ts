// Feature codes as telephone events: taken out whole, or let go whole.
import t from 'tap';
import { DtmfGate } from './dtmf-gate.ts';

/** The packets of one event: three while it lasts, three with its end. */
function press(digit: string, timestamp: number): Buffer[] {
  return Array.from({ length: 6 }, (_, index) => {
    const bytes = Buffer.alloc(16);
    bytes.set([0x80, 101, 0, index]);
    bytes.writeUInt32BE(timestamp, 4);
    bytes.set(['0123456789*#ABCD'.indexOf(digit), index < 3 ? 10 : 0x8a], 12);
    return bytes;
  });
}

function setUp(codes = ['*1', '*22']) {
  const dialled: string[] = [];
  const passed: string[] = [];
  const gate = new DtmfGate(codes, (code) => dialled.push(code));
  gate.payloadTypes = new Set([101]);
  const dial = (digits: string, start = 0) => {
    for (const [index, digit] of [...digits].entries())
      for (const packet of press(digit, start + index * 800)) gate.take(packet, () => passed.push(digit));
  };
  return { gate, dial, dialled, passed: () => passed.join('') };
}

t.test('a code goes with all its packets, those after its end too', async (t) => {
  const { dial, dialled, passed } = setUp();
  dial('*1');
  t.same(dialled, ['*1']);
  t.equal(passed(), '');
});

t.test('digits around a code pass, in order and whole', async (t) => {
  const { dial, dialled, passed } = setUp();
  dial('5*17');
  t.same(dialled, ['*1']);
  t.equal(passed(), '555555777777');
});

t.test('what begins a code and does not become one passes late, but whole', async (t) => {
  const { dial, dialled, passed } = setUp();
  dial('*3');
  t.same(dialled, []);
  t.equal(passed(), '******333333');
});

t.test('what is held at the end of the call is let go', async (t) => {
  const { gate, dial, passed } = setUp();
  dial('*');
  t.equal(passed(), '');
  gate.end();
  t.equal(passed(), '******');
});

t.test('only digits are looked at', async (t) => {
  const { gate } = setUp();
  const [packet = Buffer.alloc(16)] = press('*', 0);
  packet[12] = 16;
  let isPassed = false;
  gate.take(packet, () => {
    isPassed = true;
  });
  t.ok(isPassed, 'a flash');
});

t.test('a digit that never ends is held within bounds', async (t) => {
  const { gate } = setUp();
  let count = 0;
  for (let index = 0; index < 1000; index += 1)
    for (const packet of press('*', 0)) gate.take(packet, () => (count += 1));
  t.equal(count, 0);
  gate.end();
  t.equal(count, 200);
});
