/** `deno task worker` in a run as `bare_run.ts` has it. The first argument is how many workers it has. */
import { runCommand } from "../launch/exit_codes.ts";
import { workerCommand } from "../launch/worker.ts";
import { connectNats } from "../net/nats_transport.ts";
import { openRun } from "../worker/open_run.ts";
import { bareSums, withoutHeartbeats } from "./bare_run.ts";

if (import.meta.main) {
  const [workers, ...args] = Deno.args;
  await runCommand(() =>
    workerCommand(args, {
      connect: async (options) => withoutHeartbeats(await connectNats(options)),
      open: openRun,
      sums: bareSums(Number(workers)),
    })
  );
}
