// The digit in a telephone event, byte for byte (RFC 4733 section 2.3).
import t from 'tap';
import { dtmfDigit } from './telephone-event.ts';

const packet = (payload: string, first = '80') =>
  Buffer.from(`${first}650001 000000a0 00000001 ${payload}`.replaceAll(' ', ''), 'hex');

t.test('digits', async (t) => {
  t.equal(dtmfDigit(packet('05 0a 0320')), '5');
  t.equal(dtmfDigit(packet('0a 8a 0320')), '*', 'with the end bit');
  t.equal(dtmfDigit(packet('0b 0a 0000')), '#');
  t.equal(dtmfDigit(packet('0f 0a 0000')), 'D');
});

t.test('what is none', async (t) => {
  t.equal(dtmfDigit(packet('10 0a 0000')), undefined, 'flash');
  t.equal(dtmfDigit(packet('05 0a 03')), undefined, 'cut short');
  t.equal(dtmfDigit(packet('', '81')), undefined, 'a CSRC that is not there');
});
