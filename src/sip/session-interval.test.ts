// What is agreed of a session timer, by request and policy (RFC 4028 sections 7.1, 7.3 and 9, table 2).
import t from 'tap';
import { answerInterval, parseMinSe, parseSessionExpires } from './session-interval.ts';
import { inviteWith, request } from './transaction-fixture.ts';

const invite = (...lines: string[]) => request([inviteWith(), ...lines].join('\n'));
const policy = { expires: 1800, minSe: 90 };

t.test('headers', async (t) => {
  t.same(parseSessionExpires('1800'), { seconds: 1800, refresher: undefined });
  t.same(parseSessionExpires(' 90 ; refresher=UAS;x=1'), { seconds: 90, refresher: 'uas' });
  for (const bad of ['', '0', '-1', '1e3', '99999999999', 'x;refresher=uac', undefined])
    t.equal(parseSessionExpires(bad), undefined);
  t.same([parseMinSe('120;x'), parseMinSe(''), parseMinSe(undefined)], [120, 0, 0]);
});

t.test('who knows the extension refreshes unless it says otherwise; who does not cannot', async (t) => {
  t.match(answerInterval(invite('Supported: timer'), policy), {
    agreement: { seconds: 1800, refresher: 'uac' },
    headers: { 'session-expires': '1800;refresher=uac', require: 'timer' },
  });
  t.match(answerInterval(invite(), policy), {
    agreement: { seconds: 1800, refresher: 'uas' },
    headers: { 'session-expires': '1800;refresher=uas', require: undefined },
  });
  t.match(answerInterval(invite('Supported: timer', 'Session-Expires: 600;refresher=uas'), policy), {
    agreement: { seconds: 600, refresher: 'uas' },
  });
});

t.test('the shorter wish counts, but neither side’s least is undercut', async (t) => {
  const asked = (seconds: number, ...lines: string[]) =>
    answerInterval(invite('Supported: timer', `Session-Expires: ${seconds}`, ...lines), policy);
  t.match(asked(7200), { agreement: { seconds: 1800 } });
  t.match(asked(7200, 'Min-SE: 3600'), { agreement: { seconds: 3600 } });
  t.match(asked(90), { agreement: { seconds: 90 } });
  t.same(asked(89), { kind: 'too-small', headers: { 'min-se': '90' } });
  t.match(
    answerInterval(invite('Session-Expires: 60'), policy),
    {
      agreement: { seconds: 90, refresher: 'uas' },
    },
    'who does not know the extension would not understand a 422',
  );
});

t.test('without a wish on either side there is none', async (t) => {
  const quiet = { expires: undefined, minSe: 90 };
  t.same(answerInterval(invite('Supported: timer'), quiet), { kind: 'none' });
  t.match(answerInterval(invite('Supported: timer', 'Session-Expires: 300'), quiet), {
    agreement: { seconds: 300, refresher: 'uac' },
  });
});
