/**
 * How a command ends: one sentence on standard error that says what to do, and an exit code that a
 * script can tell apart.
 */
import { UsageError } from "./flags.ts";
import { keepHangupIgnored } from "./interrupts.ts";
import { limitProblem, surviveFileLimit } from "./process_limits.ts";

/** `excluded`: a worker that is heard no more, without which the run goes on. */
export const exitCodes = {
  done: 0,
  failed: 1,
  wrongUsage: 2,
  excluded: 3,
  interrupted: 130,
} as const;

/**
 * Runs a command's body and ends the process with the code that it returns. Whatever it throws
 * becomes one sentence and the right code, and so does an error that nobody awaited.
 */
export async function runCommand(body: () => Promise<number>): Promise<never> {
  keepHangupIgnored(Deno.args.includes("--with-parent"));
  surviveFileLimit();
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    endWith(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    endWith(event.error);
  });
  try {
    const problem = limitProblem(1);
    if (problem !== undefined) throw new UsageError(problem);
    Deno.exit(await body());
  } catch (error) {
    endWith(error);
  }
}

function endWith(error: unknown): never {
  const wrongUsage = error instanceof UsageError;
  console.error(`${wrongUsage ? "Wrong usage" : "Failed"}: ${sentenceOf(error)}`);
  if (Deno.env.get("LOCKSTEP_DEBUG") && error instanceof Error) console.error(error.stack);
  Deno.exit(wrongUsage ? exitCodes.wrongUsage : exitCodes.failed);
}

/** An error's message on one line; what a program said before it ended may have several. */
export function sentenceOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().replace(/\s*\n\s*/g, " | ");
}
