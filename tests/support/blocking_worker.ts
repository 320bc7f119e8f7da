/**
 * A worker of a run of a few numbers whose event loop stands still once, as in a native call that does
 * not come back: `deno run -A blocking_worker.ts URL NAME STEP MS`, with its login in the environment.
 */
import { systemClock } from "../../net/clock.ts";
import { connectNats } from "../../net/nats_transport.ts";
import { runWorker } from "../../worker/run_worker.ts";
import { tinyRunName } from "./tiny_cluster.ts";
import { openTinyRun } from "./tiny_run.ts";

const [servers, name, step, blockMs] = Deno.args;
const credentials = {
  user: Deno.env.get("LOCKSTEP_NATS_USER")!,
  password: Deno.env.get("LOCKSTEP_NATS_PASSWORD")!,
};
const connect = (purpose: string) =>
  connectNats({ servers, credentials, name: `${name} ${purpose}`, noEcho: true });
let hasBlocked = false;
await runWorker({
  connect: async () => ({ control: await connect("control"), data: await connect("data") }),
  run: tinyRunName,
  name,
  where: `process ${Deno.pid}`,
  joinTimeoutMs: 20_000,
  clock: systemClock,
  open: (opened, clock) =>
    Promise.resolve(openTinyRun(opened, clock, {
      shardMs: 1,
      onShard(begun) {
        if (hasBlocked || begun < Number(step)) return;
        hasBlocked = true;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(blockMs));
      },
    })),
});
