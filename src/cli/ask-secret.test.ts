// A password that is typed: not shown, asked twice, mended with backspace.
import { PassThrough } from 'node:stream';
import t from 'tap';
import { askSecret, isTerminal, type Terminal } from './ask-secret.ts';

function typing(keys: string[]) {
  const raw: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true as const,
    setRawMode: (isRaw: boolean) => void raw.push(isRaw),
  });
  const output = new PassThrough();
  const asked = askSecret(stdin as Terminal, output, 'password for 7001');
  for (const key of keys) stdin.write(key);
  const shown = () => String(output.read() ?? '');
  return { asked, shown, raw, stdin };
}

t.test('it is not shown, and the terminal is put back', async (t) => {
  const { asked, shown, raw } = typing(['se', 'cx\x7fret\r', 'secret\r']);
  t.equal(await asked, 'secret');
  t.equal(shown(), 'password for 7001: \npassword for 7001, again: \n');
  t.same(raw, [true, false]);
});

t.test('all may come at once, and a line may be begun anew', async (t) => {
  t.equal(await typing(['wrong\x15secret\nsecret\n']).asked, 'secret');
});

t.test('two that differ, Ctrl-C and the end of input', async (t) => {
  const differing = typing(['one\r', 'two\r']);
  await t.rejects(differing.asked, { code: 'USAGE', message: 'the passwords differ' });
  t.same(differing.raw, [true, false]);
  await t.rejects(typing(['one\x03']).asked, { code: 'USAGE', message: 'no password was typed' });
  const ended = typing(['one']);
  ended.stdin.end();
  await t.rejects(ended.asked, { code: 'USAGE' });
});

t.test('a pipe is no terminal', async (t) => {
  t.equal(isTerminal(new PassThrough()), false);
});
