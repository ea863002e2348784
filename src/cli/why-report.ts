// The decisions on a call as people and programs read them.
import type { JournalEvent } from '../spool/events.ts';
import type { CliContext } from './context.ts';
import { shortId } from './ls.ts';
import { localTime, printable, renderTable } from './table.ts';

export interface ToldCall {
  call: string;
  sessionId: string | undefined;
  /** It is not over. */
  isUp: boolean;
  /** Where it is told: the archive when no journal knows the call any more. */
  source: 'journal' | 'archive';
  /** In their order. */
  events: readonly JournalEvent[];
}

/** A call as JSON: times in ISO 8601. */
export function showCall({ call, sessionId, isUp, source, events }: ToldCall) {
  const shown = events.map(({ at, seq: _seq, daemon: _daemon, type, ...rest }) => {
    return { occurredAt: new Date(at / 1000).toISOString(), event: type, ...rest };
  });
  return { call, sessionId: sessionId ?? null, live: isUp, source, events: shown };
}

export function describeCall(context: CliContext, { call, sessionId, isUp, events }: ToldCall): string[] {
  const [title = '', ...lines] = renderTable(
    ['TIME', 'WHAT', 'RULE', 'DN', 'AGENT', 'SIDE', 'REASON'],
    events.map(cellsOf),
  );
  return [
    context.paint('bold', `Call ${call}${isUp ? ', which is up' : ''}`),
    `session ${sessionId ?? 'unknown'}`,
    '',
    context.paint('bold', title),
    ...lines,
  ];
}

function cellsOf(event: JournalEvent): string[] {
  const { what, rule, dn, agentId, side, reason } = describe(event);
  const at = event.at / 1000;
  const time = `${localTime(at)}.${String(Math.floor(at) % 1000).padStart(3, '0')}`;
  return [time, what, rule ?? '-', dn ?? '-', agentId ?? '-', side ?? '-', printable(reason ?? '')];
}

interface Described {
  what: string;
  rule?: string | undefined;
  dn?: string | undefined;
  agentId?: string | undefined;
  side?: string | undefined;
  reason?: string | undefined;
}

function describe(event: JournalEvent): Described {
  switch (event.type) {
    case 'call.created': {
      const { from, to, dialled, rule, consult } = event;
      const asked = dialled === undefined ? '' : `, who dialled ${dialled}`;
      const reason = `${from.number} calls ${to.number}${asked}`;
      return {
        what: consult === true ? 'consultation' : 'call',
        rule,
        dn: from.dn,
        agentId: from.agentId,
        reason,
      };
    }
    case 'call.refused': {
      const { from, dialled, status, rule } = event;
      const reason = `${status} ${event.reason}: ${from.number} called ${dialled}`;
      return { what: 'refused', rule, dn: from.dn, agentId: from.agentId, reason };
    }
    case 'recording.decided': {
      const { record, mandatory, rule, dn, agentId, side, reason } = event;
      const what = record ? `record${mandatory === true ? ', mandatory' : ''}` : 'do not record';
      return { what, rule, dn, agentId, side, reason };
    }
    case 'call.answered':
      return { what: 'answered', dn: event.to?.dn, agentId: event.to?.agentId };
    case 'call.restored':
      return { what: 'restored', reason: 'the switch was started again, and goes on with it' };
    case 'call.released':
      return { what: 'released', reason: `${event.status} ${event.reason}` };
    default:
      return describeOther(event);
  }
}

/** What happened to a recording: `recording.started` is `started`. */
function describeOther(event: JournalEvent): Described {
  const what = event.type.slice(event.type.indexOf('.') + 1);
  const recording = 'recording' in event && event.recording !== undefined ? event.recording : undefined;
  const name = recording === undefined ? [] : [`recording ${shortId(recording)}`];
  const said = 'reason' in event ? [event.reason] : [];
  const asked = 'by' in event && event.by !== undefined ? ` (asked for by ${event.by})` : '';
  return { what, reason: `${[...name, ...said].join(': ')}${asked}` };
}
