/**
 * The processes of `deno task train`, of the product's own programs or of those of a bare run:
 * `deno run -A bare_cluster.ts usual|bare NATS_SERVER OUT WORKERS [flags of the run]`, with
 * TF_LIBRARY where there is one. Both arms of a comparison begin here, so that they differ in
 * nothing else.
 */
import { fileURLToPath } from "node:url";
import { workerLogins } from "../launch/broker_permissions.ts";
import { runCommand } from "../launch/exit_codes.ts";
import { startLastingBroker } from "../launch/lasting_broker.ts";
import { type Program, runLocalCluster } from "../launch/local_cluster.ts";
import { systemClock } from "../net/clock.ts";
import { secretToken } from "../net/random.ts";
import { bareFlags } from "./bare_run.ts";

if (import.meta.main) {
  const [kind, binary, out, workers, ...flags] = Deno.args;
  await runCommand(() =>
    runCluster({ isBare: kind === "bare", binary, out, workers: Number(workers), flags })
  );
}

async function runCluster(
  { isBare, binary, out, workers, flags }: {
    readonly isBare: boolean;
    readonly binary: string;
    readonly out: string;
    readonly workers: number;
    readonly flags: readonly string[];
  },
): Promise<number> {
  const run = secretToken(6);
  const logins = workerLogins(workers);
  const roles = { run, workers: logins };
  const broker = await startLastingBroker({ binary, clock: systemClock, roles });
  const { url, user, password } = broker;
  try {
    return await runLocalCluster({
      connection: { url, run, credentials: { user, password } },
      workerLogins: logins,
      out,
      workers,
      resume: false,
      coordinatorArgs: [
        ...flags,
        ...(isBare ? bareFlags : []),
        ...["--workers", `${workers}`, "--out", out],
      ],
      libraryPath: Deno.env.get("TF_LIBRARY"),
      clock: systemClock,
      observer: {
        urlOf: () => url,
        started: () => {},
        programOf: (name) => {
          if (!isBare) return undefined;
          return name === "coordinator"
            ? program("bare_coordinator.ts")
            : program("bare_worker.ts", `${workers}`);
        },
      },
    });
  } finally {
    await broker.stop();
  }
}

function program(file: string, ...args: readonly string[]): Program {
  return { path: fileURLToPath(new URL(file, import.meta.url)), permissions: [], args };
}
