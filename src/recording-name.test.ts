// Names of recordings' files: what a template may say, and that no value leads out of the folder or to another's file.
import fc from 'fast-check';
import t from 'tap';
import { isRecordingName, nameTemplateProblem, recordingName } from './recording-name.ts';

const VALUES = {
  id: '019aa000-0000-7000-8000-00001a2b3c4d',
  uuid: '019aa000-0000-7000-8000-000000000001',
  sessionId: 'ab'.repeat(16),
  ani: '+4930123',
  dnis: '7001',
  dn: '7001',
  agentId: undefined,
  direction: 'inbound',
  at: Date.UTC(2026, 0, 31, 9, 5, 7, 250),
};

t.test('variables, whatever their case', async (t) => {
  t.equal(recordingName('$ID$', VALUES), VALUES.id);
  t.equal(recordingName('$id$ $ANI$-$dnis$ $agentId$', VALUES), `${VALUES.id} +4930123-7001 none`);
  t.equal(
    recordingName('$date$ $time$ $MCPDateTime$ $direction$ $DN$', VALUES),
    '2026-01-31 09-05-07 2026-01-31_09-05-07-250 inbound 7001-1a2b3c4d',
    'without $id$ the end of it is added',
  );
  t.equal(recordingName('call', VALUES), 'call-1a2b3c4d');
});

t.test('numbers from the network lead nowhere', async (t) => {
  t.equal(recordingName('$ani$$id$', { ...VALUES, ani: '../../etc/\0x' }), `_._.._etc__x${VALUES.id}`);
  t.ok(recordingName(`${'ü'.repeat(100)}$ani$$sessionId$`, VALUES).endsWith('-1a2b3c4d'));
});

t.test('a template says what is wrong with it', async (t) => {
  for (const good of ['$id$', 'a b.c', 'Ärger $ani$', '$agentDN$$uuid$'])
    t.equal(nameTemplateProblem(good), undefined);
  for (const [bad, said] of [
    ['', '1 to 128'],
    ['a'.repeat(129), '1 to 128'],
    ['a/b', 'without directories'],
    ['a\\b', 'without directories'],
    ['a\nb', 'without directories'],
    ['a:b', 'without directories'],
    ['.hidden', 'does not begin'],
    ['-rf', 'does not begin'],
    ['$who$', '$who$ is no variable'],
    ['$constructor$', 'is no variable'],
    ['$ani', 'every $'],
    ['5$', 'every $'],
  ] as const)
    t.match(nameTemplateProblem(bad), said, bad);
  t.match(nameTemplateProblem('a\u2028b'), 'without', 'a line separator');
});

t.test('any template that is accepted makes one part of a path, of any values', async (t) => {
  const text = fc.string({ unit: 'grapheme', maxLength: 100 });
  fc.assert(
    fc.property(text, text, text, (start, ani, dnis) => {
      const template = `${start}$ani$$dnis$`;
      if (nameTemplateProblem(template) !== undefined) return true;
      const name = recordingName(template, { ...VALUES, ani, dnis });
      // Not told of each: among any characters are some that end a line of the test's report.
      return isRecordingName(name) && name.includes('1a2b3c4d');
    }),
  );
  for (const bad of ['', '..', '../x', 'a/b', 'a\0', 'x'.repeat(201)]) t.notOk(isRecordingName(bad), bad);
});
