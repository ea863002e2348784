// name-addr and addr-spec, and what is neither (RFC 3261 section 20.10).
import t from 'tap';
import { parseNameAddr } from './name-addr.ts';

t.test('name-addr', async (t) => {
  t.same(parseNameAddr('  "A \\"B\\", C" <sip:a@h;lr>;tag=1 ; x'), {
    name: '"A \\"B\\", C"',
    uri: 'sip:a@h;lr',
    params: Object.assign(Object.create(null), { tag: '1', x: null }),
  });
  t.match(parseNameAddr('sip:a@h;tag=1'), { name: undefined, uri: 'sip:a@h', params: { tag: '1' } });
  t.match(parseNameAddr('<sip:a@h?x=y>'), { uri: 'sip:a@h?x=y' });
  t.match(parseNameAddr('A B<sip:a@h>;TAG="x;y"'), { name: 'A B', params: { tag: '"x;y"' } });
  const bad = [
    '',
    '<',
    '<>',
    'A',
    '<sip:a@h',
    'sip:a@h>',
    '<sip:a@h>>',
    '<sip:a@h> x',
    '<sip:a@h>;',
    '<sip:a@h>;=1',
    '<sip:a@h>;x=',
  ];
  bad.push(
    '"A <sip:a@h>',
    '"A" sip:a@h',
    '"A" "B" <sip:a@h>',
    'A, B <sip:a@h>',
    '< sip:a@h>',
    'sip:a@h?x=y',
    '<sip:a@h>, <sip:b@h>',
    '<sip:a@h>;x="',
  );
  for (const text of bad) t.equal(parseNameAddr(text), undefined, JSON.stringify(text));
});
