// The recording decision: a pure function of who calls whom and of the strategy's word, with its reason in words.
import type { Dn } from './dn.ts';
import type { RecordWord } from './strategy/strategy.ts';

/** One side of a call, as far as recording goes. */
export interface Side {
  dn?: Pick<Dn, 'number' | 'record'> | undefined;
  trunk?: { name: string; record: boolean } | undefined;
}

type SideName = 'source' | 'destination';

export interface RecordingDecision {
  record: boolean;
  /** The side that is recorded: `source` the caller, `destination` the callee (Genesys `record`). */
  side: SideName;
  /** The recorded DN. */
  dn: string | undefined;
  reason: string;
}

/** What a routing strategy says of a call's recording, and by which of its rules. */
export interface StrategyWord {
  word: RecordWord;
  rule: string;
}

/**
 * Whether a call is recorded. The strategy's word comes first: it starts recording on a side, or takes it away from a DN
 * that has record=true. Then full-time recording: of the DN on either side, or of the trunk that the call crosses.
 * When both DNs are recorded it is one recording still, on the called side: that party serves the call.
 */
export function decideRecording(source: Side, destination: Side, strategy?: StrategyWord): RecordingDecision {
  const sides = { source, destination };
  const started = (['destination', 'source'] as const).find((name) => name === strategy?.word);
  if (started !== undefined) {
    const dn = (sides[started].dn ?? source.dn ?? destination.dn)?.number;
    return { record: true, side: started, dn, reason: `${show(strategy)} says record = ${started}` };
  }
  const decision = decideFullTime(source, destination);
  if (strategy === undefined || !decision.record) return decision;
  if (strategy.word !== `disable_${decision.side}`) return decision;
  // The other side's DN may be recorded all the same.
  const enabled = { ...sides, [decision.side]: withoutRecord(sides[decision.side]) };
  const other = decideFullTime(enabled.source, enabled.destination);
  if (other.record && other.side !== decision.side) return other;
  return {
    ...decision,
    record: false,
    reason: `${show(strategy)} says record = ${strategy.word}, though ${decision.reason}`,
  };
}

/** The side of the agent: the recorded one, unless somebody from outside is there and a DN on the other. */
export function agentSide(call: {
  decision: Pick<RecordingDecision, 'side'>;
  from: { dn: string | undefined };
  to: { dn: string | undefined };
}): SideName {
  const { decision, from, to } = call;
  if (decision.side === 'source')
    return from.dn === undefined && to.dn !== undefined ? 'destination' : 'source';
  return to.dn === undefined && from.dn !== undefined ? 'source' : 'destination';
}

function decideFullTime(source: Side, destination: Side): RecordingDecision {
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
    reason: `record is not set on ${[source, destination].map(showSide).join(' nor on ')}`,
  };
}

function withoutRecord({ dn, trunk }: Side): Side {
  return { dn: dn && { ...dn, record: false }, trunk };
}

function show(strategy: StrategyWord | undefined): string {
  return `rule "${strategy?.rule ?? ''}" of the routing strategy`;
}

function showSide(side: Side): string {
  return side.dn === undefined ? `trunk ${side.trunk?.name ?? '-'}` : `DN ${side.dn.number}`;
}
