/**
 * `deno task bench NAME [flags]`: measurements of the product, each a file of this folder. People
 * read the table on standard error; `--json` puts one object on standard output.
 */
import { runCommand } from "../launch/exit_codes.ts";
import { UsageError } from "../launch/flags.ts";

/** Loaded on call, so that a benchmark without an engine does not wait for one. */
const benchmarks: Readonly<
  Record<string, () => Promise<{ run(args: string[]): Promise<unknown> }>>
> = {
  step: () => import("./step.ts"),
  allreduce: () => import("./allreduce.ts"),
  scaling: () => import("./scaling.ts"),
  overhead: () => import("./overhead.ts"),
  soak: () => import("./soak.ts"),
  system: () => import("./system.ts"),
  nowcast: () => import("./nowcast.ts"),
  fuzz: () => import("./fuzz.ts"),
  "wasm-convolution": () => import("./wasm_convolution.ts"),
};

if (import.meta.main) {
  await runCommand(async () => {
    const [name, ...args] = Deno.args;
    if (!Object.hasOwn(benchmarks, name ?? "")) {
      const found = name === undefined ? "none" : `"${name}"`;
      throw new UsageError(
        `Name a benchmark, one of ${Object.keys(benchmarks).join(", ")}: found ${found}`,
      );
    }
    await (await benchmarks[name]()).run(args);
    return 0;
  });
}
