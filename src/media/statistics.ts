// The reply to `statistics`: counts of calls and packets, by rtpengine's names (docs/ng_control_protocol).
import type { NgOk, NgStatisticsTable } from '../ng/reply.ts';
import type { EngineCounters } from './io/engine.ts';

export interface CallCounts {
  open: number;
  recording: number;
  /** Since the start. */
  managed: number;
  rejected: number;
}

export function describeStatistics(
  { open, recording, managed, rejected }: CallCounts,
  { relayed, dropped }: Readonly<EngineCounters>,
): NgOk {
  const statistics: NgStatisticsTable = {
    currentstatistics: { sessionsown: open, sessionstotal: open, sessionsrecording: recording },
    totalstatistics: {
      uptime: Math.floor(process.uptime()),
      managedsessions: managed,
      rejectedsessions: rejected,
      relayedpackets: relayed,
      relayedpacketerrors: dropped['send-failed'],
    },
  };
  return { result: 'ok', statistics };
}
