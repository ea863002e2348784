// What a controller that is not ours tells of the parties, in rtpengine's free form of metadata.
import t from 'tap';
import { describeForeign, type ForeignParty, readForeignNotes } from './foreign.ts';

const parties: ForeignParty[] = [
  { label: 'a', tag: 'from-1', address: '192.0.2.1' },
  { label: 'b', tag: '', address: undefined },
];

t.test('numbers, addresses and the side of the agent are read', async (t) => {
  t.same(readForeignNotes('from:7002|to:sip:7001@example.org|agent:to'), {
    from: '7002',
    to: 'sip:7001@example.org',
    agent: 'to',
  });
  t.same(readForeignNotes(' From : +4930123 | room:5 | agent:both'), { from: '+4930123' });
});

t.test('what says nothing of that kind is nothing', async (t) => {
  for (const text of [
    undefined,
    '',
    'caller:100',
    '|||',
    'from:',
    'from:a b',
    '{"parties":[]}',
    ':'.repeat(10_000),
  ])
    t.equal(readForeignNotes(text), undefined, text?.slice(0, 20) ?? 'nothing');
  t.equal(readForeignNotes(`from:${'7'.repeat(5000)}`)?.from?.length, 256);
});

t.test('parties are named by what was told, else by where their media is', async (t) => {
  t.same(describeForeign(parties, { to: 'sip:7001@example.org;user=phone', agent: 'to' }), [
    { label: 'a', tag: 'from-1', role: 'customer', number: '192.0.2.1', uri: 'sip:192.0.2.1' },
    { label: 'b', tag: '', role: 'agent', number: '7001', uri: 'sip:7001@example.org;user=phone' },
  ]);
  t.match(describeForeign(parties), [{ role: 'agent' }, { role: 'customer', number: 'unknown' }]);
});
