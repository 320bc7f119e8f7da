/**
 * How a command ends: one sentence on standard error that says what to do, and an exit code that a
 * script can tell apart.
 */
import { UsageError } from "./flags.ts";

export const exitCodes = { done: 0, failed: 1, wrongUsage: 2, interrupted: 130 } as const;

/** Runs a command's body; whatever it throws becomes one sentence and the right code. */
export async function runCommand(body: () => Promise<number>): Promise<never> {
  let code: number;
  try {
    code = await body();
  } catch (error) {
    const wrongUsage = error instanceof UsageError;
    const text = error instanceof Error ? error.message : String(error);
    console.error(`${wrongUsage ? "Wrong usage" : "Failed"}: ${text}`);
    if (Deno.env.get("LOCKSTEP_DEBUG") && error instanceof Error) console.error(error.stack);
    code = wrongUsage ? exitCodes.wrongUsage : exitCodes.failed;
  }
  Deno.exit(code);
}
