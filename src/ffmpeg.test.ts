// Which ffmpeg there is, and what it can: fake ones that answer as the real one does, or not at all.
import { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findFfmpeg, forgetFfmpeg, requireStreams } from './ffmpeg.ts';

function fake(t: Test, script: string): string {
  const program = join(t.testdir(), 'ffmpeg');
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return program;
}

t.test('the names of its audio codecs, asked once until it is forgotten', async (t) => {
  const asked = join(t.testdirName, 'asked');
  const table = 'printf " ------\\n A....D g722   G.722\\n VF...D h264   Video\\n A.S..D opus   Opus\\n"';
  const program = fake(t, `echo x >>${asked}; ${table}`);
  const found = await findFfmpeg(program);
  if ('problem' in found) return t.fail(found.problem);
  t.same(
    [found.program, [...found.decoders], [...found.encoders]],
    [program, ['g722', 'opus'], ['g722', 'opus']],
  );
  t.equal(await findFfmpeg(program), found);
  forgetFfmpeg();
  t.not(await findFfmpeg(program), found);
});

t.test('what is none is told in one line, and asked again', async (t) => {
  t.match(await findFfmpeg('/nonexistent/ffmpeg'), {
    problem: /^cannot run \/nonexistent\/ffmpeg: .*ENOENT/,
  });
  t.match(await findFfmpeg(fake(t, 'exit 1')), {
    problem: /^cannot run .*ffmpeg: .* \(see \[export\] ffmpeg\)$/,
  });
  t.match(await findFfmpeg(fake(t, 'echo hello')), { problem: /does not answer as ffmpeg does/ });
  t.notMatch(await findFfmpeg(fake(t, 'echo " A....D g722 G.722"')), { problem: /./ });
});

t.test('a process without streams is a shortage that passes', async (t) => {
  const child = new ChildProcess();
  t.throws(() => requireStreams(child), { code: 'EMFILE' });
  child.emit('error', new Error('spawn EMFILE'));
});
