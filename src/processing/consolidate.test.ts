// What is decided depends on what is known, never on the order in which it came.
import fc from 'fast-check';
import t from 'tap';
import { recordingIdOf, recordingIdOfCall, recordingIdOfSegment } from '../archive/ids.ts';
import type { EventBody, JournalEvent } from '../spool/events.ts';
import { decide } from './consolidate.ts';
import { callBegins, callEnds } from './fixtures/segments.ts';
import {
  CALL_GRACE_US,
  type Decision,
  IMPORT_GRACE_US,
  type KnownRecording,
  LATE_SEGMENT_GRACE_US,
  RELEASE_GRACE_US,
  SEGMENT_GRACE_US,
  type Situation,
  type SpoolSegment,
} from './situation.ts';

const CALL = 'call-1';
const RECORDING = '019aa000-0000-7000-8000-00001a2b3c4d';
const NOW = 1e15;

const events = (
  bodies: EventBody[],
  daemon: JournalEvent['daemon'] = 'grec-sipd',
  at = NOW,
): JournalEvent[] => bodies.map((body, index) => ({ seq: index + 1, at, daemon, ...body }));

const segment = (change: Partial<SpoolSegment> = {}): SpoolSegment => ({
  id: 'seg-1',
  recording: RECORDING,
  call: CALL,
  closedAt: NOW,
  ...change,
});

const situation = (change: Partial<Situation> & { events?: JournalEvent[] }): Situation => ({
  calls: change.events === undefined ? [] : [{ id: CALL, events: change.events }],
  segments: [],
  rowOf: () => undefined,
  isDone: () => false,
  usedBy: () => [],
  isKept: () => false,
  now: NOW,
  ...change,
});

const row = (state: KnownRecording['state']) => (): KnownRecording => ({ state, madeOf: null });

const brief = (decisions: Decision[]) =>
  decisions.map((decision) => (decision.do === 'settle' ? 'settle' : `${decision.do} ${decision.recording}`));

const begun = callBegins(CALL, RECORDING);
const ended = callEnds(CALL, RECORDING);
const whole = events([...begun, ...ended]);

t.test('a released call with closed segments is finished', async (t) => {
  const [decision, ...others] = decide(
    situation({ events: whole, segments: [segment(), segment({ id: 'seg-2' })] }),
  );
  t.match(decision, {
    do: 'finish',
    recording: RECORDING,
    segments: ['seg-1', 'seg-2'],
    partial: [],
    remarks: [],
  });
  t.same(others, []);
});

t.test('it waits for the end of the call, and for the end of the media', async (t) => {
  t.same(decide(situation({ events: events(begun), segments: [segment()] })), []);
  t.same(decide(situation({ events: whole, segments: [segment({ closedAt: undefined })] })), []);
  t.same(
    decide(situation({ events: whole, segments: [segment(), segment({ id: 'x', closedAt: undefined })] })),
    [],
  );
});

t.test('a stopped recording waits a moment for the end of its call', async (t) => {
  const stopped = events([...begun, ...ended.slice(0, 1)]);
  t.same(decide(situation({ events: stopped, segments: [segment()] })), []);
  const later = decide(
    situation({ events: stopped, segments: [segment()], now: NOW + RELEASE_GRACE_US + 1 }),
  );
  t.same(brief(later), [`finish ${RECORDING}`]);
});

t.test('a call is settled when its recording has a row', async (t) => {
  t.same(brief(decide(situation({ events: whole, rowOf: row('finished'), usedBy: () => ['seg-0'] }))), [
    'settle',
  ]);
  t.same(brief(decide(situation({ events: whole, rowOf: row('failed') }))), ['settle']);
});

t.test(
  'a recording that started and left no segment fails after a grace, if the call was answered',
  async (t) => {
    t.same(decide(situation({ events: whole })), []);
    const late = { now: NOW + SEGMENT_GRACE_US + 1 };
    t.match(decide(situation({ events: whole, ...late })), [
      { do: 'fail', recording: RECORDING, reason: /no segment/ },
    ]);
    const unanswered = events([...begun, ...callEnds(CALL, RECORDING, false)]);
    t.same(brief(decide(situation({ events: unanswered, ...late }))), ['settle']);
  },
);

t.test('a failed recording fails with its reason, or is partial when there is audio', async (t) => {
  const failure: EventBody = {
    type: 'recording.failed',
    call: CALL,
    recording: RECORDING,
    reason: 'no ports',
  };
  const failed = events([...begun.slice(0, 2), failure, ...ended.slice(1)]);
  t.match(decide(situation({ events: failed })), [{ do: 'fail', recording: RECORDING, reason: 'no ports' }]);
  const decisions = decide(situation({ events: failed, segments: [segment()] }));
  t.match(decisions, [{ do: 'finish', partial: ['recording failed: no ports'] }]);
});

t.test('a call that was to be recorded and never was fails', async (t) => {
  const answered: EventBody = { type: 'call.answered', call: CALL };
  const never = events([...begun.slice(0, 2), answered, ...ended.slice(1)]);
  t.same(decide(situation({ events: never })), []);
  const late = { now: NOW + SEGMENT_GRACE_US + 1 };
  const decisions = decide(situation({ events: never, ...late }));
  t.match(decisions, [{ do: 'fail', recording: recordingIdOfCall(CALL), reason: /never started/ }]);
  t.same(brief(decide(situation({ events: never, ...late, rowOf: row('failed') }))), ['settle']);
});

t.test(
  'one whose recording only the media server told of was recorded: it was hung up amid the start',
  async (t) => {
    const answered: EventBody = { type: 'call.answered', call: CALL };
    const opened: EventBody = { type: 'segment.opened', segment: 'seg-1', recording: RECORDING, call: CALL };
    const told = [
      ...events([...begun.slice(0, 2), answered, ...ended.slice(1)]),
      ...events([opened], 'grec-mediad'),
    ];
    t.match(decide(situation({ events: told, segments: [segment()] })), [
      { do: 'finish', recording: RECORDING, partial: [] },
    ]);
    const late = { now: NOW + SEGMENT_GRACE_US + 1 };
    const rowOf = (recording: string): KnownRecording | undefined =>
      recording === RECORDING ? { state: 'finished', madeOf: null } : undefined;
    const made = situation({ events: told, ...late, rowOf, usedBy: () => ['seg-1'], isDone: () => true });
    t.same(brief(decide(made)), ['settle'], 'nothing is missing, nothing fails');
    const lost = decide(situation({ events: told, ...late }));
    t.match(
      lost,
      [{ do: 'fail', recording: RECORDING, reason: /no segment/ }],
      'its own, when nothing is left',
    );
  },
);

t.test('a call that need not be recorded is settled at its end', async (t) => {
  const decided: EventBody = { type: 'recording.decided', call: CALL, record: false, reason: 'not set' };
  t.same(decide(situation({ events: events([decided]) })), []);
  t.same(brief(decide(situation({ events: events([decided, ...ended.slice(1)]) }))), ['settle']);
});

t.test(
  'a segment that the journal knows and the spool does not makes it partial, after a grace',
  async (t) => {
    const opened: EventBody = { type: 'segment.opened', segment: 'gone', recording: RECORDING, call: CALL };
    const known = [...whole, ...events([opened], 'grec-mediad')];
    t.same(decide(situation({ events: known, segments: [segment()] })), []);
    const late = { events: known, segments: [segment()], now: NOW + SEGMENT_GRACE_US + 1 };
    t.match(decide(situation(late)), [{ do: 'finish', partial: ['segment gone is not in the spool'] }]);
    t.match(decide(situation({ ...late, isDone: () => true })), [{ do: 'finish', partial: [] }]);
  },
);

t.test('a segment without metadata stands for itself', async (t) => {
  const foreign = segment({ recording: undefined, call: undefined });
  t.same(brief(decide(situation({ segments: [foreign] }))), [`finish ${recordingIdOfSegment('seg-1')}`]);
  t.same(decide(situation({ segments: [{ ...foreign, closedAt: undefined }] })), []);
});

t.test('a segment whose call is in no journal is finished from its facts, after a minute', async (t) => {
  t.same(decide(situation({ segments: [segment()] })), []);
  const late = decide(situation({ segments: [segment()], now: NOW + CALL_GRACE_US + 1 }));
  t.match(late, [{ do: 'finish', recording: RECORDING, calls: [], remarks: [/no event of this call/] }]);
});

t.test('a segment that comes after its recording was finished becomes one of its own', async (t) => {
  const late = decide(
    situation({ events: whole, segments: [segment()], rowOf: row('finished'), usedBy: () => ['seg-0'] }),
  );
  t.match(late, [
    { do: 'finish', recording: recordingIdOfSegment('seg-1'), remarks: [new RegExp(RECORDING)] },
  ]);
  const afterFailure = decide(situation({ events: whole, segments: [segment()], rowOf: row('failed') }));
  t.same(brief(afterFailure), [`finish ${RECORDING}`]);
});

t.test('what the media server journals after a call was settled is forgotten in time', async (t) => {
  const closed: EventBody = {
    type: 'segment.closed',
    segment: 's',
    recording: RECORDING,
    call: CALL,
    reason: 'stopped',
  };
  const leftover = events([closed], 'grec-mediad');
  t.same(decide(situation({ events: leftover })), []);
  t.same(brief(decide(situation({ events: leftover, now: NOW + CALL_GRACE_US + 1 }))), ['settle']);
});

t.test('names of recordings are safe as directory names', async (t) => {
  t.equal(recordingIdOf(RECORDING.toUpperCase()), RECORDING);
  t.match(recordingIdOf('../../etc'), /^[0-9a-f-]{36}$/);
  t.equal(recordingIdOf('x'), recordingIdOf('x'));
  t.not(recordingIdOf('x'), recordingIdOf('y'));
});

/**
 * Plays a whole story to the state machine: facts come in any order, a fact is never seen twice, decisions take effect
 * at once or (as when the processor is killed before) not at all, and come again.
 */
t.test('in any order, with any repetition, one call is one recording and nothing is left', async () => {
  type Fact = { event: JournalEvent } | { segment: SpoolSegment } | { close: string };
  const segments = ['seg-1', 'seg-2'];
  const journal: EventBody[] = segments.map((id) => ({
    type: 'segment.opened',
    segment: id,
    recording: RECORDING,
    call: CALL,
  }));
  const facts: Fact[] = [
    ...whole.map((event) => ({ event })),
    ...events(journal, 'grec-mediad').map((event) => ({ event })),
    ...segments.map((id) => ({ segment: segment({ id, closedAt: undefined }) })),
    ...segments.map((close) => ({ close })),
  ];
  const order = fc.shuffledSubarray(facts, { minLength: facts.length, maxLength: facts.length });
  fc.assert(
    fc.property(order, fc.infiniteStream(fc.boolean()), (arrivals, isKilled) => {
      const world = {
        events: [] as JournalEvent[],
        spool: new Map<string, SpoolSegment>(),
        closed: new Set<string>(),
        rows: new Map<string, string[]>(),
        isSettled: false,
      };
      const round = (now: number) => {
        const decisions = decide({
          calls: world.events.length === 0 ? [] : [{ id: CALL, events: world.events }],
          segments: [...world.spool.values()].map((one) => ({
            ...one,
            closedAt: world.closed.has(one.id) ? NOW : undefined,
          })),
          rowOf: (recording) => {
            const used = world.rows.get(recording);
            return used && { state: used.length === 0 ? 'failed' : 'finished', madeOf: null };
          },
          isDone: (id) => [...world.rows.values()].flat().includes(id),
          usedBy: (recording) => world.rows.get(recording) ?? [],
          isKept: () => false,
          now,
        });
        for (const decision of decisions) {
          if (isKilled.next().value) continue;
          if (decision.do === 'settle') world.isSettled = true;
          if (decision.do === 'fail') world.rows.set(decision.recording, []);
          if (decision.do !== 'finish') continue;
          world.rows.set(decision.recording, decision.segments);
          for (const id of decision.segments) world.spool.delete(id);
        }
        if (world.isSettled) world.events = [];
      };
      for (const fact of arrivals) {
        if ('event' in fact) world.events.push(fact.event);
        if ('segment' in fact) world.spool.set(fact.segment.id, fact.segment);
        if ('close' in fact) world.closed.add(fact.close);
        round(NOW + 1000);
      }
      // Time goes on until nothing changes: each decision that was "killed" is repeated.
      for (let minute = 0; minute < 60; minute += 1) round(NOW + CALL_GRACE_US * (minute + 2));
      const used = [...world.rows.values()].flat().toSorted();
      return (
        used.join() === segments.join() &&
        world.spool.size === 0 &&
        world.events.length === 0 &&
        world.rows.has(RECORDING)
      );
    }),
    { numRuns: 1000 },
  );
});

t.test('a call whose end was lost is over when the switch has been started since', async (t) => {
  const start = NOW + 5_000_000;
  const lost = {
    events: events(begun),
    segments: [segment()],
    switchStarted: new Map([[0, { at: start, seq: 10 }]]),
  };
  t.same(
    decide(situation({ ...lost, now: start + 1_000_000 })),
    [],
    'the switch may still tell how it ended',
  );
  const later = start + SEGMENT_GRACE_US + 1;
  t.same(brief(decide(situation({ ...lost, now: later }))), [`finish ${RECORDING}`]);
  t.same(brief(decide(situation({ ...lost, segments: [], now: later + SEGMENT_GRACE_US }))), [
    `fail ${RECORDING}`,
  ]);
  const present = events(begun, 'grec-sipd', start + 1).map((event) => ({ ...event, seq: event.seq + 10 }));
  const begunSince = { ...lost, events: present };
  t.same(decide(situation({ ...begunSince, now: later })), [], 'a call of its present life goes on');
});

t.test('an event of a clock that was set back since holds nothing up', async (t) => {
  const hour = 3_600_000_000;
  const early = { events: whole, now: NOW - hour };
  t.same(brief(decide(situation(early))), [`fail ${RECORDING}`]);
  const orphan = segment({ call: 'unknown' });
  t.same(brief(decide(situation({ segments: [orphan], now: NOW - hour }))), [`finish ${RECORDING}`]);
  t.same(decide(situation({ events: whole, now: NOW - 1_000_000 })), [], 'a second is no step');
});

t.test(
  'a recording that a full disk refused is made when it is written after all, with the events of its call',
  async (t) => {
    const failure: EventBody = {
      type: 'recording.failed',
      call: CALL,
      recording: RECORDING,
      reason: 'disk full',
    };
    const told = {
      events: events([...begun.slice(0, 3), failure, ...ended.slice(-1)]),
      rowOf: row('failed'),
    };
    t.same(decide(situation({ ...told, now: NOW + SEGMENT_GRACE_US })), [], 'the call is not forgotten yet');
    const late = decide(situation({ ...told, segments: [segment()], now: NOW + SEGMENT_GRACE_US }));
    t.match(late, [{ do: 'finish', recording: RECORDING, calls: [{ id: CALL }], partial: [/disk full/] }]);
    t.same(brief(decide(situation({ ...told, now: NOW + LATE_SEGMENT_GRACE_US + 1 }))), ['settle']);
  },
);

t.test('imported segments, of which no journal tells, are waited for', async (t) => {
  const segments = [segment({ isUnjournaled: true })];
  t.same(decide(situation({ events: whole, segments, now: NOW + IMPORT_GRACE_US })), []);
  const [decision] = decide(situation({ events: whole, segments, now: NOW + IMPORT_GRACE_US + 1 }));
  t.match(decision, { do: 'finish', partial: [] });
});

t.test('what the death of a media server that is not ours has cost is told', async (t) => {
  const interrupted: EventBody = {
    type: 'recording.interrupted',
    call: CALL,
    recording: RECORDING,
    reason: 'dead',
  };
  const told = events([...begun, interrupted, ...ended]);
  const now = NOW + IMPORT_GRACE_US + 1;
  const partialOf = (isUnjournaled: boolean) =>
    decide(situation({ events: told, segments: [segment({ isUnjournaled })], now }))[0];
  t.match(partialOf(true), { do: 'finish', partial: [/may be missing: dead/] });
  t.match(partialOf(false), { do: 'finish', partial: [] });
  const first = partialOf(true);
  const madeOf = first?.do === 'finish' ? first.madeOf : '';
  const done = {
    rowOf: (): KnownRecording => ({ state: 'finished', madeOf }),
    usedBy: () => ['seg-1'],
    isKept: () => true,
    isDone: () => true,
  };
  t.same(
    brief(decide(situation({ events: told, now, ...done }))),
    ['settle'],
    'also when it is looked at again',
  );
});

t.test(
  'a recording that was deleted, or is under hold, is not made again: what comes late has one of its own',
  async (t) => {
    const fixed = (used: string[]) => ({
      events: whole,
      segments: [segment()],
      rowOf: (): KnownRecording => ({ state: 'finished', madeOf: 'before', isFixed: true }),
      usedBy: () => used,
      isKept: () => true,
    });
    for (const used of [[], ['seg-0']])
      t.same(brief(decide(situation(fixed(used)))), [`finish ${recordingIdOfSegment('seg-1')}`]);
    t.same(brief(decide(situation({ ...fixed(['seg-0']), segments: [] }))), ['settle']);
    const { events: _, ...orphan } = { ...fixed(['seg-0']), segments: [segment({ call: 'unknown' })] };
    const late = decide(situation({ ...orphan, now: NOW + CALL_GRACE_US + 1 }));
    t.same(brief(late), [`finish ${recordingIdOfSegment('seg-1')}`]);
  },
);

t.test('with what it was made of, and what came late, a recording is made again', async (t) => {
  const again = {
    events: whole,
    rowOf: (): KnownRecording => ({ state: 'finished', madeOf: 'before' }),
    usedBy: () => ['seg-0'],
    isKept: () => true,
  };
  t.match(decide(situation({ ...again, segments: [segment()] })), [
    { do: 'finish', recording: RECORDING, segments: ['seg-0', 'seg-1'], joins: [] },
  ]);
});

t.test('what cannot be joined any more keeps its own name', async (t) => {
  const [first, second] = [RECORDING, '019aa111-0000-7000-8000-00001a2b3c4d'];
  const both = [...begun, ...callBegins(CALL, second).slice(2, 3), ...ended];
  const step = (row: Partial<KnownRecording>, isKept: boolean) =>
    decide(
      situation({
        events: events(both),
        segments: [segment({ recording: second })],
        rowOf: (id) => (id === first ? { state: 'finished', madeOf: 'before', ...row } : undefined),
        usedBy: (id) => (id === first ? ['seg-0'] : []),
        isKept: () => isKept,
      }),
    );
  t.match(step({}, true), [
    { do: 'finish', recording: first, segments: ['seg-0', 'seg-1'], joins: [second] },
  ]);
  for (const apart of [step({}, false), step({ isFixed: true }, true)])
    t.match(apart, [{ do: 'finish', recording: second, segments: ['seg-1'], remarks: [], joins: [] }]);
});
