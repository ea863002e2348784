// What the switch remembers of calls that are up.
import t from 'tap';
import type { JournalEvent } from '../spool/events.ts';
import { LiveDecisions } from './live-decisions.ts';

const ofJournal = { seq: 1, at: 1, daemon: 'grec-sipd' } as const;
const party = { number: '1', uri: 'sip:1@h' };
const created = (call: string, sessionId = 'cd'.repeat(16)): JournalEvent => ({
  ...ofJournal,
  type: 'call.created',
  call,
  sessionId,
  direction: 'internal',
  from: party,
  to: party,
});

t.test(
  'decisions of a call, found by a part of its ids, until it is over and the journal knows',
  async (t) => {
    const decisions = new LiveDecisions();
    const decided = {
      ...ofJournal,
      type: 'recording.decided',
      call: 'aaaa-01',
      record: true,
      reason: 'r',
    } as const;
    const started: JournalEvent = {
      ...ofJournal,
      type: 'recording.started',
      call: 'aaaa-01',
      recording: 'beef-02',
      parties: [],
    };
    decisions.note(created('aaaa-01'));
    decisions.note(created('aaaa-03', 'ef'.repeat(16)));
    decisions.note(decided);
    decisions.note({ ...ofJournal, type: 'call.ringing', call: 'aaaa-01' });
    decisions.note(started);
    t.same(decisions.find('beef'), [[created('aaaa-01'), decided, started]]);
    t.equal(decisions.find('cdcd').length, 1);
    t.equal(decisions.find('aaaa').length, 2);
    decisions.drop('aaaa-01');
    t.equal(decisions.find('beef').length, 1, 'its last lines may not be written yet');
    while (decisions.find('beef').length > 0) await new Promise((resolve) => setImmediate(resolve));
    t.equal(decisions.find('aaaa').length, 1);
  },
);

t.test('nothing is kept of calls that are over before they begin', async (t) => {
  const decisions = new LiveDecisions();
  const refused = { sessionId: 's', from: party, dialled: '2', status: 480, reason: 'r' };
  decisions.note({ ...ofJournal, type: 'call.refused', call: 'aaaa', ...refused });
  decisions.note({ ...ofJournal, type: 'recording.stopped', call: 'bbbb', recording: 'r', reason: 'late' });
  decisions.note({ ...ofJournal, type: 'daemon.stopped' });
  t.same([...decisions.find('aaaa'), ...decisions.find('bbbb')], []);
});
