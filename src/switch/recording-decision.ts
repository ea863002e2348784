// The recording decision: a pure function of who calls whom and of the strategy's word, with its reason in words.
import type { DnPolicy } from './dn-policy.ts';
import type { RecordWord } from './strategy/strategy.ts';

/** One side of a call, as far as recording goes. */
export interface Side {
  dn?: SideDn | undefined;
  trunk?: { name: string; record: boolean } | undefined;
}

/** What is not given holds as it does where nothing is set. */
type SideDn = Pick<DnPolicy, 'number' | 'record'> & Partial<DnPolicy>;
type SideName = 'source' | 'destination';

export interface RecordingDecision {
  record: boolean;
  /** The side that is recorded: `source` the caller, `destination` the callee (Genesys `record`). */
  side: SideName;
  /** The recorded DN. */
  dn: string | undefined;
  reason: string;
  /** The agent who is logged in on it. */
  agentId?: string | undefined;
  /** The rule of the strategy that made the decision. */
  rule?: string | undefined;
  /** No recording, no call. */
  mandatory?: boolean;
  /** The media runs through the media server, recorded or not. */
  isAnchored?: boolean;
  /** How the recording is to be called and kept. */
  terms?: Pick<DnPolicy, 'recording-filename' | 'retention'>;
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
 * @param isConsult the caller has another call
 */
export function decideRecording(
  source: Side,
  destination: Side,
  strategy?: StrategyWord,
  isConsult = false,
): RecordingDecision {
  const decision = decide(source, destination, strategy, isConsult);
  const dns = [source.dn, destination.dn].filter((dn) => dn !== undefined);
  const recorded = dns.find(({ number }) => number === decision.dn);
  const isMandatory = (dn: SideDn) => dn.mandatory === true && (dn === recorded || dn.record);
  return {
    ...decision,
    agentId: recorded?.agentId,
    mandatory: decision.record && dns.some(isMandatory),
    isAnchored: dns.some(({ anchor }) => anchor === 'always'),
    terms: recorded && {
      'recording-filename': recorded['recording-filename'],
      retention: recorded.retention,
    },
  };
}

function decide(
  source: Side,
  destination: Side,
  strategy: StrategyWord | undefined,
  isConsult: boolean,
): RecordingDecision {
  const sides = { source, destination };
  const started = (['destination', 'source'] as const).find((name) => name === strategy?.word);
  if (started !== undefined) {
    const dn = (sides[started].dn ?? source.dn ?? destination.dn)?.number;
    const reason = `${show(strategy)} says record = ${started}`;
    return { record: true, side: started, dn, reason, rule: strategy?.rule };
  }
  const decision = decideFullTime(source, destination, isConsult);
  if (strategy === undefined || !decision.record) return decision;
  if (strategy.word !== `disable_${decision.side}`) return decision;
  // The other side's DN may be recorded all the same.
  const enabled = { ...sides, [decision.side]: withoutRecord(sides[decision.side]) };
  const other = decideFullTime(enabled.source, enabled.destination, isConsult);
  if (other.record && other.side !== decision.side) return other;
  return {
    ...decision,
    record: false,
    reason: `${show(strategy)} says record = ${strategy.word}, though ${decision.reason}`,
    rule: strategy.rule,
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

function decideFullTime(source: Side, destination: Side, isConsult: boolean): RecordingDecision {
  let spared: RecordingDecision | undefined;
  for (const [side, name] of [
    [destination, 'destination'],
    [source, 'source'],
  ] as const) {
    if (!side.dn?.record) continue;
    const reason = `${saidBy(side.dn)} has record=true`;
    const isSpared = isConsult && side.dn['record-consult-calls'] === false;
    const decision = { record: true, side: name, dn: side.dn.number, reason };
    if (!isSpared) return decision;
    const why = `a consultation call: ${reason}, but record-consult-calls=false`;
    spared ??= { ...decision, record: false, reason: why };
  }
  const trunk = [source.trunk, destination.trunk].find((candidate) => candidate?.record);
  const side = destination.dn === undefined ? 'source' : 'destination';
  const dn = (destination.dn ?? source.dn)?.number;
  if (trunk !== undefined) return { record: true, side, dn, reason: `trunk ${trunk.name} has record = true` };
  if (spared !== undefined) return spared;
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

function saidBy({ number, recordSaidBy }: SideDn): string {
  return recordSaidBy ?? `DN ${number}`;
}

/** Who is asked in vain. That nothing is recorded by default need not be said. */
function showSide({ dn, trunk }: Side): string {
  if (dn === undefined) return `trunk ${trunk?.name ?? '-'}`;
  return dn.agentId === undefined ? `DN ${dn.number}` : saidBy(dn).replace(' (by default)', '');
}
