// `grec why`: decisions of calls that are over, up and refused, found by whatever id the operator has at hand.
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { silentLogger } from '../log.ts';
import type { EventBody } from '../spool/events.ts';
import { openJournal } from '../spool/journal.ts';
import { listJournalFiles } from '../spool/journal-files.ts';
import { FIRST_ID, grec, type State, stateWithRecordings } from './fixtures/state.ts';
import { withSwitch } from './fixtures/switch.ts';

process.env.TZ = 'UTC';
const OVER = '019aaaaa-0000-7000-8000-00000000ca11';
const SECOND = '019aaaab-0000-7000-8000-00000000ca12';
const REFUSED = '019aaaac-0000-7000-8000-00000000dead';
const RECORDING = '019aaaaa-0000-7000-8000-0000beefcafe';
const SESSION = '0123456789abcdef0123456789abcdef';
const from = { number: '7002', uri: 'sip:7002@h', dn: '7002' };
const to = { number: '7001', uri: 'sip:7001@h', dn: '7001', agentId: '2201' };
const created = (call: string, sessionId: string): EventBody => ({
  type: 'call.created',
  call,
  sessionId,
  direction: 'internal',
  from,
  to,
});

const ofCall: EventBody[] = [
  { ...created(OVER, SESSION), dialled: '7900', rule: 'sales / staff' } as EventBody,
  {
    type: 'recording.decided',
    call: OVER,
    record: true,
    side: 'destination',
    dn: '7001',
    agentId: '2201',
    rule: 'staff',
    mandatory: true,
    reason: 'rule "staff" of the routing strategy says record = destination',
  },
  { type: 'call.ringing', call: OVER },
  { type: 'call.answered', call: OVER },
  { type: 'recording.started', call: OVER, recording: RECORDING, parties: [] },
  { type: 'recording.paused', call: OVER, recording: RECORDING, by: 'DN 7001', reason: 'card number' },
  { type: 'recording.stopped', call: OVER, recording: RECORDING, reason: 'hung up by the caller' },
  {
    type: 'call.released',
    call: OVER,
    by: 'a',
    status: 200,
    reason: 'hung up by the caller',
    answered: true,
  },
];

/** A journal of many files; the call's own events lie in more than one of them. */
async function writeJournal({ directory }: State, events: EventBody[], fill = 3): Promise<string> {
  const folder = join(directory, 'state', 'journal');
  const journal = openJournal({
    directory: folder,
    daemon: 'grec-sipd',
    log: silentLogger(),
    rotateBytes: 300,
  });
  for (let index = 0; index < fill; index++) journal.append({ type: 'daemon.stopped' });
  for (const event of events) journal.append(event);
  for (let index = 0; index < fill; index++) journal.append({ type: 'daemon.stopped' });
  await journal.close();
  return join(folder, 'grec-sipd');
}

async function prepare(t: Test): Promise<{ state: State; folder: string }> {
  const state = stateWithRecordings(t);
  const refused = { call: REFUSED, sessionId: 'f'.repeat(32), from, dialled: '7900', status: 480 };
  const folder = await writeJournal(state, [
    ...ofCall,
    { type: 'call.refused', ...refused, reason: 'No Rule At Routing Point 7900', rule: 'sales' },
  ]);
  t.ok(listJournalFiles(folder).length > 3);
  return { state, folder };
}

const why = (state: State, ...argv: string[]) => grec(state, ['why', ...argv]);

t.test('a call, by its id, that of its recording or of its conversation, or a part of them', async (t) => {
  const { state } = await prepare(t);
  const { code, out } = await why(state, OVER);
  t.equal(code, 0);
  t.match(out, `Call ${OVER}\nsession ${SESSION}\n`);
  const rows = out
    .split('\n')
    .slice(4, -1)
    .map((line) => line.slice(25).split(/ {2,}/));
  t.same(rows, [
    ['call', 'sales / staff', '7002', '-', '-', '7002 calls 7001, who dialled 7900'],
    [
      'record, mandatory',
      'staff',
      '7001',
      '2201',
      'destination',
      'rule "staff" of the routing strategy says record = destination',
    ],
    ['answered', '-', '-', '-', '-'],
    ['started', '-', '-', '-', '-', 'recording beefcafe'],
    ['paused', '-', '-', '-', '-', 'recording beefcafe: card number (asked for by DN 7001)'],
    ['stopped', '-', '-', '-', '-', 'recording beefcafe: hung up by the caller'],
    ['released', '-', '-', '-', '-', '200 hung up by the caller'],
  ]);
  for (const id of ['0000ca11', 'CA11', RECORDING, 'beefcafe', '00-0000beef', SESSION, 'ef012345'])
    t.equal((await why(state, id)).out, out, id);
});

t.test('as JSON', async (t) => {
  const { state } = await prepare(t);
  const { calls } = JSON.parse((await why(state, OVER, '--json')).out);
  t.match(calls, [{ call: OVER, sessionId: SESSION, live: false, source: 'journal' }]);
  t.match(calls[0].events[1], {
    occurredAt: /^20.*Z$/,
    event: 'recording.decided',
    record: true,
    mandatory: true,
    rule: 'staff',
    agentId: '2201',
  });
});

t.test('a call that was refused; it was the last one', async (t) => {
  const { state } = await prepare(t);
  for (const id of [REFUSED, 'last'])
    t.match(
      (await why(state, id)).out,
      /refused +sales +7002 .* 480 No Rule At Routing Point 7900: 7002 called 7900\n/,
    );
});

t.test('several calls of one conversation are one answer; of several, a question', async (t) => {
  const state = stateWithRecordings(t);
  await writeJournal(state, [
    created(OVER, SESSION),
    created(SECOND, SESSION),
    created(REFUSED, 'f'.repeat(32)),
  ]);
  const { out } = await why(state, SESSION);
  t.match(out, new RegExp(`Call ${OVER}[\\s\\S]*\n\nCall ${SECOND}`));
  t.equal((await why(state, SECOND)).out.split('Call ').length, 2, 'a call alone, by its own id');
  const { code, err } = await why(state, '019aaaa');
  t.equal(code, 3);
  t.match(err, `"019aaaa" is part of several calls' ids:\n  ${OVER}  20`);
});

t.test('a recording whose journal is gone is told by the archive', async (t) => {
  const state = stateWithRecordings(t);
  const { out } = await why(state, FIRST_ID);
  t.match(out, /Call c0ffee00\n/);
  t.match(JSON.parse((await why(state, '1a2b3c4d', '--json')).out).calls, [
    { call: 'c0ffee00', source: 'archive' },
  ]);
});

t.test('what is damaged or half written hides nothing else', async (t) => {
  const { state, folder } = await prepare(t);
  const [newest = ''] = listJournalFiles(folder).slice(-1);
  appendFileSync(join(folder, newest), `{"call":"${OVER}"}\n{"type":"call.held","call":"${OVER}","la`);
  t.match((await why(state, OVER)).out, 'released');
});

t.test('nobody has heard of it', async (t) => {
  const { state, folder } = await prepare(t);
  for (const id of ['0badf00d', 'xyz', '12', '7001']) {
    const { code, err } = await why(state, id);
    t.equal(code, 3, id);
    t.match(err, `there is no call and no recording "${id}"`);
  }
  rmSync(folder, { recursive: true });
  t.match((await why(state, 'last')).err, 'there was no call yet');
});

t.test('a call of an earlier life of the switch is told by the journal, and by the switch', async (t) => {
  const restored = { type: 'call.restored', call: OVER, seq: 100, at: 4e15, daemon: 'grec-sipd' };
  const { state } = await withSwitch(t, { 'GET /decisions/:part': () => ({ calls: [[restored]] }) });
  await writeJournal(state, ofCall.slice(0, -1));
  const { out } = await why(state, OVER);
  t.match(out, `Call ${OVER}, which is up\n`);
  t.match(out, /record, mandatory [\s\S]* restored .* the switch was started again/);
});

t.test('of a call that is up the switch is asked', async (t) => {
  const [begun, decided] = ofCall;
  const events = [begun, decided].map((body, index) => ({
    ...body,
    seq: index + 1,
    at: 1e15,
    daemon: 'grec-sipd',
  }));
  const asked: string[] = [];
  const { state } = await withSwitch(t, {
    'GET /decisions/:part': ({ params }) => {
      asked.push(params['part'] ?? '');
      return { calls: [events] };
    },
  });
  const { out } = await why(state, '0000-CA11');
  t.match(out, `Call ${OVER}, which is up\n`);
  t.match(out, 'record, mandatory');
  t.same(asked, ['0000ca11']);
});
