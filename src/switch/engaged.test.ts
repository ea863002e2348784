// Which DNs have a call that is answered.
import t from 'tap';
import { EngagedDns } from './engaged.ts';

t.test('a DN is engaged until the last of its calls is over', async (t) => {
  const engaged = new EngagedDns();
  engaged.note('one', ['7001', '7002']);
  engaged.note('two', ['7001', undefined]);
  engaged.drop('one');
  t.ok(engaged.has('7001'));
  t.notOk(engaged.has('7002'));
  engaged.note('two', ['7003']);
  t.notOk(engaged.has('7001'), 'it was transferred');
  engaged.drop('two');
  engaged.drop('two');
  t.notOk(engaged.has('7003'));
});

t.test('a DN that calls itself is one', async (t) => {
  const engaged = new EngagedDns();
  engaged.note('one', ['7001', '7001']);
  engaged.drop('one');
  t.notOk(engaged.has('7001'));
});
