// Notices a party that has gone without BYE (power cut, reset, lost network): it is asked within its dialog now and then.
import type { Call } from './call.ts';
import type { Leg } from './leg.ts';

/** Failures to send in a row after which a party counts as gone; the dialog itself ends at the first 408 or 481. */
const MOST_MISSES = 3;
/** When parties are asked that may have gone unnoticed: as often as it takes to know it. */
const SOON_MS = [0, 1500, 3000];

/**
 * Asks both parties every `intervalMs` (RFC 3261 sections 11 and 12.2.1.2).
 * @param first `at once` for parties that may have gone while nobody looked
 * @returns what ends the asking; a call that is over must not be kept in memory by it
 */
export function watchParties(
  call: Call,
  intervalMs: number,
  first: 'later' | 'at once' = 'later',
): () => void {
  const misses = { a: 0, b: 0 };
  const askBoth = () => {
    for (const leg of [call.legs.a, call.legs.b]) void ask(call, leg, misses);
  };
  const soon = first === 'later' ? [] : SOON_MS.map((after) => setTimeout(askBoth, after).unref());
  const timer = setInterval(askBoth, intervalMs).unref();
  return () => {
    for (const one of soon) clearTimeout(one);
    clearInterval(timer);
  };
}

async function ask(call: Call, { label, dialog }: Leg, misses: Record<Leg['label'], number>): Promise<void> {
  if (dialog?.state !== 'confirmed') return;
  const { status } = await dialog.request('OPTIONS', { headers: call.headersTo(label) });
  misses[label] = status === 503 ? misses[label] + 1 : 0;
  if (misses[label] >= MOST_MISSES)
    call.release(label, 200, `the ${label === 'a' ? 'caller' : 'callee'} is gone`);
}
