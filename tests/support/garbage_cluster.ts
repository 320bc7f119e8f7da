/**
 * A local cluster as `deno task train` makes it, whose worker "w1" is `garbage_worker.ts`:
 * `deno run -A garbage_cluster.ts NATS_SERVER OUT WORKERS [--flags of the run]`, with TF_LIBRARY where
 * there is one. Says which processes it starts.
 */
import { fileURLToPath } from "node:url";
import { workerLogins } from "../../launch/broker_permissions.ts";
import { startLastingBroker } from "../../launch/lasting_broker.ts";
import { runLocalCluster } from "../../launch/local_cluster.ts";
import { systemClock } from "../../net/clock.ts";

const [binary, out, workers, ...flags] = Deno.args;
const [run, logins] = ["garbage", workerLogins(Number(workers))];
const roles = { run, workers: logins };
const broker = await startLastingBroker({ binary, clock: systemClock, roles });
const { url, user, password } = broker;
let code = 1;
try {
  code = await runLocalCluster({
    connection: { url, run, credentials: { user, password } },
    workerLogins: logins,
    out,
    workers: Number(workers),
    resume: false,
    coordinatorArgs: [...flags, "--workers", workers, "--out", out],
    libraryPath: Deno.env.get("TF_LIBRARY"),
    clock: systemClock,
    observer: {
      urlOf: () => url,
      programOf: (name) =>
        /^w1\b/.test(name)
          ? {
            path: fileURLToPath(new URL("./garbage_worker.ts", import.meta.url)),
            permissions: [],
            args: [],
          }
          : undefined,
      started: (name) => console.error(`Started ${name}`),
    },
  });
} finally {
  await broker.stop();
}
Deno.exit(code);
