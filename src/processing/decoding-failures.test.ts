// What cannot be decoded: hostile payloads, and an ffmpeg that is missing, breaks, hangs or lies. The other party never suffers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { codings, datagramsOf, format, mix, other, startOfOther } from './fixtures/coded-calls.ts';
import { hasFfmpeg } from './fixtures/reference-speech.ts';

const NO_FFMPEG = hasFfmpeg() ? false : 'ffmpeg is not installed';

t.test(
  'random bytes are no harm, whatever codec they are said to be',
  { skip: NO_FFMPEG, timeout: 60_000 },
  async (t) => {
    let state = 7;
    const random = () => {
      state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
      return state >> 8;
    };
    for (const { name, format, ticks } of await codings()) {
      const payloads = Array.from({ length: 200 }, () => Uint8Array.from({ length: random() % 300 }, random));
      const noise = datagramsOf({ name, format, payloads, ticks, least: 0 });
      const { right, channels } = await mix(t, [...noise, ...other()], [format]);
      const [{ decoded, undecodable }] = channels;
      t.ok(startOfOther(right) >= 0, `${name}: the other party is sample-exact`);
      const all = [...decoded.values(), ...undecodable.values()].reduce((sum, count) => sum + count, 0);
      t.equal(all, 200, 'every packet is counted');
    }
  },
);

const LIST = 'case "$*" in *coders*) echo " A....D g722 G.722"; exit 0;; esac';
const BROKEN: { what: string; script: string; why: RegExp }[] = [
  { what: 'has no decoder', script: 'echo " A....D aac AAC"', why: /lacks the decoder g722/ },
  { what: 'is none', script: 'echo hello', why: /does not answer as ffmpeg does/ },
  { what: 'cannot start', script: 'exit 3', why: /cannot run / },
  { what: 'crashes', script: `${LIST}; echo "it went wrong" >&2; exit 1`, why: /it went wrong/ },
  { what: 'is killed', script: `${LIST}; kill -9 $$`, why: /SIGKILL/ },
  { what: 'hangs', script: `${LIST}; exec sleep 60`, why: /stood still/ },
  { what: 'hangs with a child that holds its output', script: `${LIST}; sleep 5 & wait`, why: /stood still/ },
  { what: 'gives too much', script: `${LIST}; exec yes`, why: /more sound than/ },
  { what: 'gives too little', script: `${LIST}; cat >/dev/null; echo hello`, why: /less than it was given/ },
];

for (const { what, script, why } of BROKEN)
  t.test(`an ffmpeg that ${what}: the channel is not decoded, and it is said why`, async (t) => {
    const program = join(t.testdir(), 'ffmpeg');
    writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const payloads = Array.from({ length: 250 }, () => new Uint8Array(160));
    const g722 = { name: 'G722', format: format('G722', { payloadType: 9 }), payloads, ticks: 160, least: 0 };
    const datagrams = [...datagramsOf(g722), ...other()];
    const { channels, decoding, right } = await mix(t, datagrams, [g722.format], program, 300);
    t.ok((channels[0].undecodable.get('G722') ?? 0) > 0);
    t.match(decoding.get('G722'), why);
    t.ok(startOfOther(right) >= 0, 'the other party is sample-exact');
  });

t.test('without ffmpeg nothing of it is decoded', async (t) => {
  const payloads = [new Uint8Array(160), new Uint8Array(160)];
  const g722 = { name: 'G722', format: format('G722', { payloadType: 9 }), payloads, ticks: 160, least: 0 };
  const { channels, decoding, frames } = await mix(
    t,
    datagramsOf(g722),
    [g722.format],
    '/nonexistent/ffmpeg',
  );
  t.same([channels[0].decoded, channels[0].undecodable], [new Map(), new Map([['G722', 2]])]);
  t.match(decoding.get('G722'), /cannot run \/nonexistent\/ffmpeg/);
  t.equal(frames, 0);
});
