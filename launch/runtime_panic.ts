/**
 * Why the runtime itself has failed, out of what it then writes: some twenty lines that ask for a bug
 * report, of which two say what happened.
 */

/** Undefined where it has not. */
export function panicReason(said: string): string | undefined {
  const match = /^thread .* panicked at .*:\n(.*)$/m.exec(said);
  if (match === null || !said.includes("Deno has panicked")) return undefined;
  const [, line] = match;
  const reason = /message: "([^"]+)"/.exec(line)?.[1] ?? line.trim();
  return `the runtime failed: ${reason}${remedyOf(reason)}`;
}

function remedyOf(reason: string): string {
  if (/too many open files/i.test(reason)) return "; raise ulimit -n";
  if (/cannot allocate|out of memory/i.test(reason)) return "; free memory or raise ulimit -v";
  if (/resource temporarily unavailable/i.test(reason)) return "; raise ulimit -u";
  if (/no space left/i.test(reason)) return "; make room on the disk, or set TMPDIR to another one";
  return "";
}
