/**
 * `deno task train`: everything on this machine with one command. Sets up what is missing, starts a
 * broker, a coordinator and the workers, and ends with the run's exit code. Where there is no
 * nats-server, one worker and the coordinator share this process and need none.
 */
import { delay, systemClock } from "../net/clock.ts";
import { createMemoryBroker } from "../net/memory_transport.ts";
import { secretToken } from "../net/random.ts";
import { RunEndedError } from "../worker/coordinator_client.ts";
import { runWorker } from "../worker/run_worker.ts";
import { coordinate } from "./coordinate.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { helpText, UsageError } from "./flags.ts";
import { runLocalCluster } from "./local_cluster.ts";
import { startNatsServer } from "./nats_server.ts";
import { commandFlags, readFlags, resolveRun, type RunOptions } from "./run_options.ts";
import { setUp } from "./setup.ts";

if (import.meta.main) {
  await runCommand(async () => {
    const given = await readFlags(Deno.args, commandFlags);
    if (given.help) {
      console.log(helpText("Usage: deno task train [flags]", commandFlags));
      return exitCodes.done;
    }
    const { tensorflow, natsServer } = await setUp({
      needs: given.engine === "wasm" ? ["nats-server"] : ["tensorflow", "nats-server"],
    });
    if (!natsServer && given.workers === undefined) {
      console.error("No nats-server: one worker trains in this process");
      return await trainInProcess(await resolveRun({ ...given, workers: 1 }));
    }
    const options = await resolveRun(given);
    if (!natsServer && options.configuration.workers > 1) {
      throw new UsageError(
        `Cannot run ${options.configuration.workers} workers without a broker: install nats-server ` +
          "or set NATS_SERVER, or use --workers 1",
      );
    }
    if (!natsServer) return await trainInProcess(options);
    return await trainOnCluster(options, natsServer.path, tensorflow?.path);
  });
}

async function trainOnCluster(
  options: RunOptions,
  natsServer: string,
  libraryPath: string | undefined,
): Promise<number> {
  const { configuration, out, resume, json } = options;
  const broker = await startNatsServer({ binary: natsServer });
  try {
    const { engine, workers } = configuration;
    const credentials = { user: broker.user, password: broker.password };
    return await runLocalCluster({
      connection: { url: broker.url, run: secretToken(6), credentials },
      workers,
      // What was resolved here, so that the coordinator decides nothing anew.
      coordinatorArgs: [
        ...Deno.args.filter((arg) => !["--resume", "--json"].includes(arg)),
        ...["--engine", engine, "--workers", `${workers}`, "--out", out],
        ...(resume ? ["--resume"] : []),
        ...(json ? ["--json"] : []),
      ],
      libraryPath,
      onWorkerLost: () => {},
    }, (ms) => delay(systemClock, ms));
  } finally {
    await broker.stop();
  }
}

async function trainInProcess(options: RunOptions): Promise<number> {
  const broker = createMemoryBroker({ clock: systemClock });
  const run = secretToken(6);
  let work: Promise<void> = Promise.resolve();
  const code = await coordinate(broker.connect(), run, options, {
    onStart(coordinator) {
      let asked = false;
      Deno.addSignalListener("SIGINT", () => {
        if (asked) Deno.exit(exitCodes.interrupted);
        asked = true;
        coordinator.stop();
      });
      work = runWorker({
        control: broker.connect({ noEcho: true }),
        data: broker.connect({ noEcho: true }),
        run,
        name: "w0",
        where: `process ${Deno.pid}`,
        joinTimeoutMs: 60_000,
        clock: systemClock,
      }).catch((error) => {
        // The coordinator has heard of it, and says so.
        if (!(error instanceof RunEndedError)) {
          coordinator.fail(error instanceof Error ? error.message : String(error));
        }
      });
    },
  });
  await work;
  return code;
}
