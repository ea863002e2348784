// Asking the daemons rarely for what many may ask us: they have calls to do.

const HOLDS_MS = 1_000;

/** @returns what gives the same answer again for a second @param now milliseconds, never going back */
export function sparingly<T>(
  work: () => Promise<T>,
  now: () => number = () => performance.now(),
): () => Promise<T> {
  let known: { at: number; answer: Promise<T> } | undefined;
  return () => {
    if (known === undefined || now() - known.at >= HOLDS_MS) known = { at: now(), answer: work() };
    return known.answer;
  };
}
