// The filter for fail2ban finds the address in what grec-sipd logs, however it is logged, and nowhere else.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pretty from 'pino-pretty';
import t from 'tap';
import { createLogger, type Logger } from '../src/log.ts';
import { AuthLog } from '../src/switch/auth-log.ts';
import { fakeRequest } from '../src/testing/fake-user-agent.ts';

const FILTER = join(import.meta.dirname, 'fail2ban', 'grec-sipd.conf');
const PEER = { protocol: 'udp', address: '203.0.113.5', port: 5071 } as const;
/** What somebody would write into a name to have another one banned. */
const FORGED =
  '"}{"event":"auth-failed","address":"192.0.2.99","\nsw1 grec-sipd[1]: {"level":"warn","time":"","name":';

/** The expressions of the filter as JavaScript has them. */
function expressions(): RegExp[] {
  const text = readFileSync(FILTER, 'utf8');
  const prefix = /^_prefix = (.*)$/m.exec(text)?.[1] ?? '';
  const [, block = ''] = /^failregex = ([\s\S]*?)\n\n/m.exec(text) ?? [];
  const written = block.split('\n').map((line) => line.trim().replace('%(_prefix)s', prefix));
  return written.map((line) => new RegExp(line.replace('<ADDR>', '([0-9A-Fa-f:.]+)')));
}

/** What `say` logs, line for line. */
function logged(readable: boolean, say: (log: Logger) => void): string[] {
  const lines: string[] = [];
  const write = (text: string) => void lines.push(...text.trimEnd().split('\n'));
  const options = { colorize: false, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid', singleLine: true };
  const toText = pretty.prettyFactory(options);
  const destination = { write: (line: string) => write(readable ? toText(JSON.parse(line)) : line) };
  say(createLogger({ name: 'grec-sipd', level: 'info', destination }));
  return lines;
}

const found = (line: string) => expressions().flatMap((expression) => expression.exec(line)?.[1] ?? []);
const guess = (user: string) => ({ user, reason: 'wrong', failures: 4 });

t.test(
  'it finds the address in every form of the line, and never one that was written by the sender',
  async (t) => {
    for (const readable of [false, true]) {
      for (const user of ['7001', FORGED]) {
        const lines = logged(readable, (log) =>
          new AuthLog(log).tell(fakeRequest('REGISTER'), PEER, guess(user)),
        );
        t.equal(lines.length, 1);
        for (const line of [lines[0] ?? '', `sw1 grec-sipd[77]: ${lines[0]}`])
          t.same(found(line), [PEER.address], line);
      }
      const address = '2001:db8::5';
      const [line = ''] = logged(readable, (log) =>
        new AuthLog(log).tell(fakeRequest('INVITE'), { ...PEER, address }, guess('7001')),
      );
      t.same(found(line), [address]);
      const others = logged(readable, (log) => log.warn({ from: FORGED, address: '192.0.2.1' }, 'refused'));
      t.same(others.flatMap(found), []);
    }
  },
);

const noFail2ban =
  spawnSync('fail2ban-regex', ['--version']).error === undefined ? false : 'fail2ban is not installed';

t.test('fail2ban reads it so', { skip: noFail2ban }, async (t) => {
  for (const readable of [false, true]) {
    const [line = ''] = logged(readable, (log) =>
      new AuthLog(log).tell(fakeRequest('REGISTER'), PEER, guess(FORGED)),
    );
    const { stdout } = spawnSync('fail2ban-regex', ['--out', 'ip', `sw1 grec-sipd[77]: ${line}`, FILTER]);
    t.equal(stdout.toString().trim(), PEER.address);
  }
});
