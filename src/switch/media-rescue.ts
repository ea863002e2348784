// The calls of a media server that is lost: their media is moved to another one, or set direct; their recordings go on.
import { messageOf } from '../errors.ts';
import type { Call } from './call.ts';
import { type CallMedia, directMedia } from './call-media.ts';
import { moveMedia } from './move-media.ts';

/** Calls that are moved at the same time: two re-INVITEs each. */
const AT_ONCE = 50;

export interface RescueContext {
  /** The media of this call is lost with its server. */
  isLost(call: Call): boolean;
  /** A media server lives. */
  isServed(): boolean;
}

/** Moves every call whose media is lost. Never rejects. */
export async function rescueCalls(
  calls: Iterable<Call>,
  context: RescueContext,
  reason: string,
): Promise<void> {
  const lost = [...calls].filter((call) => call.state === 'answered' && context.isLost(call));
  for (const call of lost) call.recording?.interrupt(reason);
  await inTurns(lost, (call) => rescue(call, context));
}

/** A media server can be used again: recordings that wait for one go on. Never rejects. */
export async function resumeInterrupted(calls: Iterable<Call>, context: RescueContext): Promise<void> {
  const waiting = [...calls].filter(
    (call) => call.state === 'answered' && call.recording?.state === 'interrupted',
  );
  await inTurns(waiting, (call) => rescue(call, context));
}

async function inTurns(calls: Call[], work: (call: Call) => Promise<void>): Promise<void> {
  const worker = async () => {
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) await work(call);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function rescue(call: Call, context: RescueContext): Promise<void> {
  const { recording } = call;
  const isWanted = recording?.state === 'interrupted';
  try {
    if (!call.media.anchored || context.isLost(call)) {
      const to = context.isServed() ? call.context.anchor(call.id, call.legs) : directMedia;
      if (to.anchored || call.media.anchored) await moveOrSetDirect(call, to, context);
    }
    if (isWanted && call.media.anchored && !context.isLost(call)) await recording.goOn(call.media);
  } catch (thrown) {
    call.log.error(
      { alarm: 'media-not-moved' },
      `the media of the call could not be moved: ${messageOf(thrown)}`,
    );
  }
  // No recording, no call.
  if (call.plan.decision.mandatory && recording?.state === 'interrupted')
    recording.fail('no media server could take over');
}

/** A media server that lives may refuse all the same: then the parties hear each other without it. */
async function moveOrSetDirect(call: Call, to: CallMedia, context: RescueContext): Promise<void> {
  try {
    await moveMedia(call, to);
  } catch (thrown) {
    if (!to.anchored || !call.media.anchored || !context.isLost(call)) throw thrown;
    await moveMedia(call, directMedia);
    throw thrown;
  }
}
