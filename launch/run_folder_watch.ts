/**
 * A run whose folder is gone has nowhere to write to: what it still computes is lost, so it ends at
 * once and says so. Files that are open would be written to for a long time without a word.
 */
import type { Clock } from "../net/clock.ts";

const lookMs = 1_000;

/**
 * Looks now and then whether `out` is still the folder that it was.
 * @param onGone called once, with a sentence
 * @returns ends it
 */
export function watchRunFolder(
  out: string,
  clock: Clock,
  onGone: (sentence: string) => void,
): () => void {
  const place = () => {
    const { dev, ino } = Deno.statSync(out);
    return `${dev}/${ino}`;
  };
  const before = place();
  let cancel = () => {};
  const look = () => {
    const why = whatHappened(place, before);
    if (why !== undefined) {
      return onGone(
        `Cannot go on: the run's folder ${out} was ${why} while the run wrote to it; put it back and ` +
          "resume, or start anew",
      );
    }
    cancel = clock.after(lookMs, look);
  };
  cancel = clock.after(lookMs, look);
  return () => cancel();
}

function whatHappened(place: () => string, before: string): "deleted" | "replaced" | undefined {
  try {
    return place() === before ? undefined : "replaced";
  } catch (error) {
    // A disk that is away for a moment says something else.
    return error instanceof Deno.errors.NotFound ? "deleted" : undefined;
  }
}
