/**
 * `deno task worker` that counts what its sums drop. The first argument is the file that it writes
 * when it ends: what it has dropped in all generations, by reason, in JSON.
 */
import type { DroppedMessages } from "../collective/reduction.ts";
import { runCommand } from "../launch/exit_codes.ts";
import { workerCommand } from "../launch/worker.ts";
import { connectNats } from "../net/nats_transport.ts";
import { openRun } from "../worker/open_run.ts";

if (import.meta.main) {
  const [path, ...args] = Deno.args;
  const generations: Readonly<DroppedMessages>[] = [];
  await runCommand(async () => {
    const code = await workerCommand(args, {
      connect: connectNats,
      async open(configuration, clock) {
        const opened = await openRun(configuration, clock);
        return {
          ...opened,
          createTrainer(shards, allReduce) {
            generations.push(allReduce.dropped);
            return opened.createTrainer(shards, allReduce);
          },
        };
      },
    });
    const total: Record<string, number> = {};
    for (const dropped of generations) {
      for (const [reason, count] of Object.entries(dropped)) {
        total[reason] = (total[reason] ?? 0) + count;
      }
    }
    await Deno.writeTextFile(path, JSON.stringify(total));
    return code;
  });
}
