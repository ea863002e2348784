// Who asks: what a process says of itself, and what is made of whatever stands in the header.
import { userInfo } from 'node:os';
import t from 'tap';
import { CALLER_HEADER, caller, callerHeader, readCaller } from './caller.ts';
import { originOf } from './config.ts';

const UNKNOWN = { user: 'unknown', from: 'unknown' };

t.test('what a process says comes through its header as it is', async (t) => {
  t.match(caller().user, userInfo().username);
  t.same(readCaller(callerHeader()[CALLER_HEADER]), caller());
});

t.test('through sudo and ssh', async (t) => {
  t.same(originOf({ SUDO_USER: 'ann', SSH_CONNECTION: '192.0.2.7 1 192.0.2.1 22' }), {
    sudoUser: 'ann',
    ssh: '192.0.2.7',
  });
  t.same(originOf({ SUDO_USER: '', SSH_CONNECTION: '' }), {});
});

t.test('a header that is missing, broken or hostile', async (t) => {
  for (const header of [undefined, ['a', 'b'], '', '%', '%ff x'])
    t.same(readCaller(header), UNKNOWN, String(header));
  t.same(readCaller('ann'), { ...UNKNOWN, user: 'ann' });
  t.same(readCaller('a%0Ab%1b x%E2%80%AE y'), { user: 'a\ufffdb\ufffd', from: 'x\ufffd' });
  t.equal(readCaller(`${'x'.repeat(5000)} y`).user.length, 256);
});
