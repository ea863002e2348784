// A wall clock that is set while calls are up changes nothing for them.
import { mock } from 'node:test';
import t from 'tap';
import { silentLogger } from '../log.ts';
import { openJournal } from '../spool/journal.ts';
import { createCalls } from './calls.ts';
import { ConsentTones } from './consent-tones.ts';
import { createDgramEngine } from './io/dgram-io.ts';
import { createPortPool } from './port-pool.ts';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';

t.test('a step of two hours ends no call', async (t) => {
  const directory = t.testdir({ spool: {} });
  const log = silentLogger();
  const first = 28_000 + (process.pid % 400) * 4;
  const engine = createDgramEngine(200);
  const journal = openJournal({ directory, daemon: 'grec-mediad', log });
  mock.timers.enable({ apis: ['setInterval'] });
  const calls = createCalls({
    engine,
    ports: createPortPool({ first, last: first + 3 }),
    isDtmfDropped: () => false,
    consent: new ConsentTones(undefined),
    addresses: ['127.0.0.1'],
    spool: directory,
    host: 'here',
    journal,
    finishing: new Set(),
    health: { refused: new Set(), lostPackets: 0, lostRecordings: 0 },
    stopping: new AbortController().signal,
    log,
  });
  const now = Date.now;
  t.teardown(async () => {
    Date.now = now;
    mock.timers.reset();
    await calls.close('shutdown');
    await engine.close();
    await journal.close();
  });
  await calls.handle({ command: 'offer', 'call-id': 'c', 'from-tag': 'a', sdp: SDP });
  Date.now = () => now() + 7_200_000;
  mock.timers.tick(30_000);
  t.equal(calls.size, 1);
});
