// Keeping a session alive when it is our turn: by UPDATE, or by a re-INVITE that changes nothing (RFC 4028 sections 7.4 and 10).
import type { SessionTimer } from './session-timer.ts';
import type { Dialog } from './user-agent-types.ts';

/** After a crossing of requests, the longest wait before the next attempt, in milliseconds (RFC 3261 section 14.1). */
const LONGEST_GLARE_MS = 4000;

/**
 * Refreshes a dialog. A peer that knows nothing of it, or is silent, ends it on the way; after any other failure it is tried
 * again when a tenth of the interval has passed.
 */
export async function refreshSession(dialog: Dialog, timer: SessionTimer): Promise<void> {
  if (dialog.state !== 'confirmed') return;
  const status = dialog.allows('UPDATE') ? await byUpdate(dialog) : await byReinvite(dialog);
  if (status < 300 || timer.state === undefined) return;
  const isGlare = status === 491;
  timer.retryIn(isGlare ? Math.random() * LONGEST_GLARE_MS : timer.state.seconds * 100);
}

async function byUpdate(dialog: Dialog): Promise<number> {
  const { status } = await dialog.update({});
  const isForeign = status === 405 || status === 501;
  return isForeign ? byReinvite(dialog) : status;
}

async function byReinvite(dialog: Dialog): Promise<number> {
  const { localDescription } = dialog;
  const { response, ack } = await dialog.reinvite(
    localDescription === undefined ? {} : { body: localDescription },
  );
  if (response.status < 300) ack();
  return response.status;
}
