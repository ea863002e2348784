// The calls of a media server that is lost: their media is moved to another one, or set direct; their recordings go on.
import { isIPv6 } from 'node:net';
import { GrecError, messageOf } from '../errors.ts';
import type { Call } from './call.ts';
import { type CallMedia, directMedia } from './call-media.ts';
import { moveMedia } from './move-media.ts';

/** Calls that are moved at the same time: two re-INVITEs each. */
const AT_ONCE = 50;
/** A media server that lives and did not do it, as one that is still starting, is asked again: doubled each time, up to the longest. */
const RETRY_MS = 1000;
const LONGEST_RETRY_MS = 32_000;

export interface RescueContext {
  /** The media of this call is lost with its server. */
  isLost(call: Call): boolean;
  /** A media server lives. */
  isServed(): boolean;
  /** Does it after so many milliseconds; with a timer that keeps no process alive when left out. */
  later?(what: () => void, ms: number): void;
}

/**
 * Moves every call whose media is lost. A server that is lost because it was started again can be used at once: it is tried too
 * for calls that an earlier loss has left without one. Never rejects.
 */
export async function rescueCalls(
  calls: Iterable<Call>,
  context: RescueContext,
  reason: string,
): Promise<void> {
  const all = [...calls];
  const lost = new Set(all.filter((call) => call.state === 'answered' && context.isLost(call)));
  for (const call of lost) call.recording?.interrupt(reason);
  await inTurns([...lost], (call) => rescue(call, context));
  if (context.isServed())
    await resumeInterrupted(
      all.filter((call) => !lost.has(call)),
      context,
    );
}

/** A media server can be used again: recordings that wait for one go on, and calls come back that need one. Never rejects. */
export async function resumeInterrupted(calls: Iterable<Call>, context: RescueContext): Promise<void> {
  const waiting = [...calls].filter((call) => call.state === 'answered' && waits(call, context));
  await inTurns(waiting, (call) => rescue(call, context));
}

function waits(call: Call, context: RescueContext): boolean {
  if (call.recording?.state === 'interrupted' || context.isLost(call)) return true;
  const { plan, legs, media } = call;
  const isNeeded = plan.decision.isAnchored === true || isIPv6(legs.a.source) !== isIPv6(legs.b.source);
  return isNeeded && !media.anchored;
}

async function inTurns(calls: Call[], work: (call: Call) => Promise<void>): Promise<void> {
  const worker = async () => {
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) await work(call);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Undefined when its media runs already where it can, or has nowhere to go. */
function placeFor(call: Call, context: RescueContext): CallMedia | undefined {
  const { anchored } = call.media;
  if (anchored && !context.isLost(call)) return undefined;
  if (context.isServed()) return call.context.anchor(call.id, call.legs);
  return anchored ? directMedia : undefined;
}

async function rescue(call: Call, context: RescueContext, attempt = 1): Promise<void> {
  const { recording } = call;
  try {
    if (!call.media.anchored || context.isLost(call)) await moveOrSetDirect(call, context);
    if (recording?.state === 'interrupted' && call.media.anchored && !context.isLost(call))
      await recording.goOn(call.media);
  } catch (thrown) {
    const why = `the media of the call could not be moved: ${messageOf(thrown)}`;
    if (attempt === 1) call.log.error({ alarm: 'media-not-moved' }, why);
    else call.log.warn({ attempt }, why);
    // A party that has refused would be asked in vain.
    if (!(thrown instanceof GrecError && thrown.code === 'MEDIA_NOT_MOVED'))
      retryLater(call, context, attempt);
  }
  // No recording, no call.
  if (call.plan.decision.mandatory && recording?.state === 'interrupted')
    recording.fail('no media server could take over');
}

/** Several rescues of one call may fail at once: one of them tries again. */
const waitingToRetry = new WeakSet<Call>();

/** Nobody else would: that a server is found is told once. */
function retryLater(call: Call, context: RescueContext, attempt: number): void {
  if (waitingToRetry.has(call)) return;
  waitingToRetry.add(call);
  const { later = withTimer } = context;
  later(
    () => {
      waitingToRetry.delete(call);
      if (call.state === 'answered' && context.isServed() && waits(call, context))
        void rescue(call, context, attempt + 1);
    },
    Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** (attempt - 1)),
  );
}

function withTimer(what: () => void, ms: number): void {
  setTimeout(what, ms).unref();
}

/** A media server that lives may refuse all the same: then the parties hear each other without it. */
async function moveOrSetDirect(call: Call, context: RescueContext): Promise<void> {
  let to: CallMedia | undefined;
  try {
    await moveMedia(call, () => {
      to = placeFor(call, context);
      return to;
    });
  } catch (thrown) {
    if (to?.anchored !== true || !call.media.anchored || !context.isLost(call)) throw thrown;
    // When its turn comes, another rescue may have moved the call to where it can stay.
    await moveMedia(call, () => (call.media.anchored && context.isLost(call) ? directMedia : undefined));
    throw thrown;
  }
}
