/**
 * `deno task train`: everything on this machine with one command. Sets up what is missing, starts a
 * broker, a coordinator and the workers, and ends with the run's exit code. Where there is no
 * nats-server, one worker and the coordinator share this process and need none.
 */
import { datasetPaths } from "../datasets/open_dataset.ts";
import { systemClock } from "../net/clock.ts";
import { createMemoryBroker } from "../net/memory_transport.ts";
import { secretToken } from "../net/random.ts";
import { RunEndedError } from "../worker/coordinator_client.ts";
import { openRun } from "../worker/open_run.ts";
import { runWorker } from "../worker/run_worker.ts";
import { checkChosenModel, chosenModelReads } from "./chosen_model.ts";
import { coordinate } from "./coordinate.ts";
import { exitCodes, runCommand, sentenceOf } from "./exit_codes.ts";
import { type GivenFlags, helpText, UsageError } from "./flags.ts";
import { onInterrupt } from "./interrupts.ts";
import { workerLogins } from "./broker_permissions.ts";
import { runLocalCluster } from "./local_cluster.ts";
import { startLastingBroker } from "./lasting_broker.ts";
import { limitProblem } from "./process_limits.ts";
import { optionsHelp } from "./options_help.ts";
import { dataReads } from "./data_reads.ts";
import { discardUnstarted } from "./run_lock.ts";
import {
  commandFlags,
  readFlags,
  requestRun,
  resolveRun,
  type RunOptions,
  visibleGpus,
} from "./run_options.ts";
import { setUp } from "./setup.ts";

if (import.meta.main) await runCommand(() => trainCommand(Deno.args));

/** @returns the exit code */
export async function trainCommand(args: readonly string[]): Promise<number> {
  const given = await readFlags(args, commandFlags);
  if (given.help) {
    console.log(
      helpText("Usage: deno task train [flags]", commandFlags) + await optionsHelp(given),
    );
    return exitCodes.done;
  }
  return await train(given);
}

async function train(asked: GivenFlags): Promise<number> {
  const problem = limitProblem(asked.workers as number | undefined ?? 1);
  if (problem !== undefined) throw new UsageError(problem);
  const { engine, configuration, resume, out, savedSource } = await requestRun(asked);
  const source = await checkChosenModel(
    configuration.model,
    resume ? { path: out!, modelSource: savedSource } : undefined,
  );
  const given = source === undefined ? asked : { ...asked, "model-source": source };
  const { tensorflow, natsServer, problems } = await setUp({
    needs: engine === "wasm" ? ["nats-server"] : ["tensorflow", "nats-server"],
  });
  const isUsable = (found: unknown, variable: string) => found || !Deno.env.get(variable);
  const mustHave = isUsable(natsServer, "NATS_SERVER") &&
    (engine === "wasm" || isUsable(tensorflow, "TF_LIBRARY")) &&
    (engine !== "tensorflow" || tensorflow);
  // What was asked for by name is not quietly replaced by something slower.
  if (!mustHave) throw new Error(problems.join("; "));
  for (const problem of problems) console.error(problem);
  if (!natsServer && (given.workers as number | undefined ?? 1) > 1) {
    throw new UsageError(
      `Cannot run ${given.workers} workers without a broker: install nats-server or set ` +
        "NATS_SERVER, or use --workers 1",
    );
  }
  const options = await resolveRun(
    natsServer ? given : { ...given, workers: 1 },
    () => Promise.resolve(tensorflow !== undefined),
  );
  for (const warning of options.warnings) console.error(`Warning: ${warning}`);
  let code: number = exitCodes.failed;
  try {
    code = natsServer
      ? await trainOnCluster(
        options,
        natsServer.path,
        tensorflow?.path,
        typeof given.config === "string" ? [given.config] : [],
      )
      : await trainInProcess(options);
  } finally {
    if (options.isNew && code !== exitCodes.done) await discardUnstarted(options.out);
  }
  return code;
}

async function trainOnCluster(
  { configuration, out, resume, json }: RunOptions,
  natsServer: string,
  libraryPath: string | undefined,
  reads: readonly string[],
): Promise<number> {
  const gpus = visibleGpus();
  const { engine, workers, dataset, model: { name: model, source }, initialWeights } =
    configuration;
  const run = secretToken(6);
  const logins = workerLogins(workers);
  const broker = await startLastingBroker({
    binary: natsServer,
    clock: systemClock,
    roles: { run, workers: logins },
  });
  try {
    const credentials = { user: broker.user, password: broker.password };
    return await runLocalCluster({
      connection: { url: broker.url, run, credentials },
      workerLogins: logins,
      out,
      workers,
      resume,
      // What was resolved here, so that the coordinator decides nothing anew.
      coordinatorArgs: [
        ...Deno.args.filter((arg) => !/^--(resume(=.*)?|json)$/.test(arg)),
        ...["--engine", engine, "--workers", `${workers}`, "--out", out, "--model", model],
        ...(source === undefined ? [] : ["--model-source", source]),
        ...(initialWeights === null ? [] : ["--init", initialWeights.path]),
        ...(json ? ["--json"] : []),
      ],
      libraryPath: engine === "tensorflow" ? libraryPath : undefined,
      reads: {
        coordinator: [...reads, ...(initialWeights === null ? [] : [initialWeights.path])],
        worker: [...await dataReads(datasetPaths(dataset)), ...await chosenModelReads(model)],
      },
      gpus,
      clock: systemClock,
    });
  } finally {
    await broker.stop();
  }
}

async function trainInProcess(options: RunOptions): Promise<number> {
  console.error("No nats-server: one worker trains in this process");
  const broker = createMemoryBroker({ clock: systemClock });
  const run = secretToken(6);
  return await coordinate(broker.connect(), run, options, {
    inProcess: true,
    onStart(coordinator) {
      onInterrupt({
        onFirst: () => coordinator.stop(),
        onSecond: () => Deno.exit(exitCodes.interrupted),
      });
      void runWorker({
        connect: () =>
          Promise.resolve({
            control: broker.connect({ noEcho: true }),
            data: broker.connect({ noEcho: true }),
          }),
        open: openRun,
        run,
        name: "w0",
        where: `process ${Deno.pid}`,
        joinTimeoutMs: 60_000,
        clock: systemClock,
      }).catch((error) => {
        // The coordinator has heard of its own decisions; and of other failures, from the worker.
        if (!(error instanceof RunEndedError)) coordinator.fail(sentenceOf(error));
      });
    },
  });
}
