/**
 * Some shards of `deno task evaluate --workers N`, in a process of their own: what is kept of them
 * goes to standard output, how far it is to standard error. Not for typing by hand.
 */
import { serialize } from "node:v8";
import { scoreShards } from "../worker/score_split.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, parseFlags } from "./flags.ts";
import { endWithParent } from "./parent_process.ts";
import { progressLine } from "./shared_progress.ts";
import { splitScoring, splitScoringFlags } from "./split_scoring.ts";
import { openTrained, trainedFlags, trainedOptions } from "./trained_model.ts";

export const evaluationWorkerFlags = {
  ...trainedFlags,
  ...splitScoringFlags,
  owned: { kind: "integers", min: 0, help: "the shards to score" },
} as const satisfies FlagTable;

if (import.meta.main) {
  endWithParent();
  await runCommand(async () => {
    const given = parseFlags(Deno.args, evaluationWorkerFlags);
    const trained = await openTrained(await trainedOptions(given));
    try {
      const scores = await scoreShards({
        ...splitScoring(given, trained),
        onProgress: (done, total) =>
          void Deno.stderr.writeSync(new TextEncoder().encode(progressLine(done, total))),
      }, given.owned as readonly number[]);
      // Unlike JSON this carries what is not finite, and arrays as they are.
      await new Blob([new Uint8Array(serialize(scores))]).stream().pipeTo(Deno.stdout.writable);
    } finally {
      trained.close();
    }
    return exitCodes.done;
  });
}
