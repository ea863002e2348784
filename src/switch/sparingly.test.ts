// A flood is told in a few lines, and the next line says how much went untold.
import t from 'tap';
import { Sparingly } from './sparingly.ts';

t.test('so many a second, then the count of the rest', async (t) => {
  let now = 0;
  const said: unknown[] = [];
  const sparingly = new Sparingly(2, () => now);
  for (let count = 0; count < 10; count++) sparingly.say((unsaid) => said.push(unsaid));
  t.same(said, [{}, {}]);
  now = 1000;
  sparingly.say((unsaid) => said.push(unsaid));
  sparingly.say((unsaid) => said.push(unsaid));
  t.same(said.slice(2), [{ unsaid: 8 }, {}]);
});
