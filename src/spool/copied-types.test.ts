// What is copied when keys are kept out of recordings.
import t from 'tap';
import { CopiedTypes } from './copied-types.ts';
import type { Format } from './segment.ts';

const format = (payloadType: number, encoding: string, fmtp?: string): Format => {
  return { payloadType, encoding, clockRate: 8000, channels: 1, ...(fmtp === undefined ? {} : { fmtp }) };
};
const dynamic = (types: CopiedTypes) => types.payloadTypes.filter((one) => one > 34);

t.test('voice and comfort noise, and nothing that may carry a key', async (t) => {
  const types = new CopiedTypes();
  types.note([
    format(0, 'PCMU'),
    format(121, 'RED', '0/101/5'),
    format(122, 'RED', '0/96'),
    format(96, 'OPUS'),
    format(101, 'TELEPHONE-EVENT', '0-16'),
    format(102, 'TONE'),
  ]);
  t.same(dynamic(types), [122, 96]);
  t.ok(
    [0, 3, 8, 9, 13, 18].every((one) => types.payloadTypes.includes(one)),
    'static types need no description',
  );
});

t.test('what was an event stays one, and what was voice stays voice', async (t) => {
  const types = new CopiedTypes();
  types.note([format(96, 'OPUS'), format(101, 'TELEPHONE-EVENT')]);
  types.note([format(101, 'OPUS'), format(97, 'TELEPHONE-EVENT')]);
  t.same(dynamic(types), [96]);
  types.note([format(8, 'TELEPHONE-EVENT')]);
  t.notOk(types.payloadTypes.includes(8), 'a static type that is bound to something else');
});
