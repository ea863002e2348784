// [processing]: other switches' state directories, and times within bounds.
import t from 'tap';
import { checkConfig } from './config.ts';
import { placeOthers } from './config-processing.ts';

const mistakes = (toml: string) => checkConfig(toml).problems.map(({ key, message }) => `${key}: ${message}`);

t.test('its values, and what is none', async (t) => {
  t.same(checkConfig('').values?.processing, { also: [], wait: 5, late: 600 });
  t.same(mistakes('processing.also = "/srv/two"'), [
    'processing.also: expected a list of state directories; found "/srv/two"',
  ]);
  t.match(mistakes('processing.also = [""]'), [/also\[0\]: expected a state directory/]);
  t.match(mistakes('processing.wait = 601'), [/wait: expected a whole number of seconds from 0 to 600/]);
  t.match(mistakes('processing.late = -1'), [/late: expected a whole number of seconds from 0 to 86400/]);
});

t.test('directories are absolute, each once, and never our own', async (t) => {
  const also = ['two', '/srv/one', '../three', '/srv/two'];
  t.same(placeOthers('/srv', '/srv/one', also), ['/srv/two', '/three']);
});
