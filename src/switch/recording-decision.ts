// The recording decision: a pure function of who calls whom, with its reason in words.
import type { Dn } from './dn.ts';

/** One side of a call, as far as recording goes. */
export interface Side {
  dn?: Pick<Dn, 'number' | 'record'> | undefined;
  trunk?: { name: string; record: boolean } | undefined;
}

export interface RecordingDecision {
  record: boolean;
  /** The side whose party is the agent: `source` the caller, `destination` the callee (Genesys `record`). */
  side: 'source' | 'destination';
  /** The recorded DN. */
  dn: string | undefined;
  reason: string;
}

/**
 * Full-time recording: a call is recorded when the DN on either side is, or the trunk that it crosses.
 * When both DNs are recorded it is one recording still, on the called side: that party serves the call.
 */
export function decideRecording(source: Side, destination: Side): RecordingDecision {
  for (const [side, name] of [
    [destination, 'destination'],
    [source, 'source'],
  ] as const) {
    if (side.dn?.record)
      return { record: true, side: name, dn: side.dn.number, reason: `DN ${side.dn.number} has record=true` };
  }
  const trunk = [source.trunk, destination.trunk].find((candidate) => candidate?.record);
  const side = destination.dn === undefined ? 'source' : 'destination';
  const dn = (destination.dn ?? source.dn)?.number;
  if (trunk !== undefined) return { record: true, side, dn, reason: `trunk ${trunk.name} has record = true` };
  return {
    record: false,
    side,
    dn,
    reason: `record is not set on ${[source, destination].map(show).join(' nor on ')}`,
  };
}

function show(side: Side): string {
  return side.dn === undefined ? `trunk ${side.trunk?.name ?? '-'}` : `DN ${side.dn.number}`;
}
