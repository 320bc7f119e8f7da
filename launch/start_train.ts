/**
 * Where `deno task train` begins: it looks at the process's limits before the rest is loaded, which
 * alone opens so many files that the runtime may end in a panic of its own.
 */
import { limitProblem } from "./process_limits.ts";

if (import.meta.main) {
  const problem = limitProblem(1);
  if (problem !== undefined) {
    console.error(`Wrong usage: ${problem}`);
    Deno.exit(2);
  }
  const [{ runCommand }, { trainCommand }] = await Promise.all([
    import("./exit_codes.ts"),
    import("./train.ts"),
  ]);
  await runCommand(() => trainCommand(Deno.args));
}
