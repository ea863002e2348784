// What the demonstration prints: the seven steps with their times, within 80 columns, nothing in JSON mode.
import { PassThrough } from 'node:stream';
import t from 'tap';
import { CliContext } from './context.ts';
import { Story, wrap } from './demo-story.ts';

function storyOn(json: boolean) {
  const stdout = new PassThrough();
  const context = new CliContext({ daemonsDirectory: '/nowhere', stdout }, { json, color: true });
  return { story: new Story(context), printed: () => String(stdout.read() ?? '') };
}

t.test('a step has its number, the time of its event, its name and what happened', async (t) => {
  const { story, printed } = storyOn(false);
  story.step('bridged', Date.now() + 1500, 'both parties');
  t.match(printed(), /^ {2}2 {3}1\.5\d s {2}bridged +both parties\n$/);
  t.match(story.steps, [{ step: 2, name: 'bridged', detail: 'both parties' }]);
  t.ok(Math.abs((story.steps[0]?.atMs ?? 0) - 1500) < 500);
});

t.test('long lines are broken under one another, within 80 columns and without colours', async (t) => {
  const { story, printed } = storyOn(false);
  story.step('started', Date.now(), 'a sentence of many words '.repeat(8).trim());
  const lines = printed().trimEnd().split('\n');
  t.ok(lines.length > 2);
  const column = lines[0]?.indexOf('a sentence') ?? 0;
  for (const line of lines) {
    t.ok(line.length <= 80, line);
    t.match(line.slice(column), /^\S/);
    t.equal(line.includes('\x1b'), false);
  }
});

t.test('with --json nothing is printed, but the steps are kept', async (t) => {
  const { story, printed } = storyOn(true);
  story.title('title');
  story.tell('words');
  story.step('heard', Date.now(), 'found');
  t.equal(printed(), '');
  t.match(story.steps, [{ step: 7, name: 'heard' }]);
});

t.test('a word longer than the line stays whole', async (t) => {
  t.same(wrap('a abcdefgh b c', 4), ['a', 'abcdefgh', 'b c']);
});
