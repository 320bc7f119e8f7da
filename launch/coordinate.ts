/**
 * A coordinator with its run folder, reports and exit code, over any transport: what the
 * `coordinator` command runs on nats-server and `train` runs in its own process without one.
 */
import { type Coordinator, type RunEnd, startCoordinator } from "../coordinator/run_coordinator.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import { openRunFolder, writeRunRecord } from "../coordinator/run_folder.ts";
import { createRunReport, type RunReport } from "../coordinator/run_report.ts";
import { systemClock } from "../net/clock.ts";
import { timeOfDay } from "../net/clock.ts";
import { resumableFields, type RunConfiguration } from "../net/run_configuration.ts";
import type { Transport } from "../net/transport.ts";
import { standardError } from "../report/progress_line.ts";
import type { JsonValue } from "../coordinator/checkpoint_manifest.ts";
import manifest from "../deno.json" with { type: "json" };
import { exitCodes } from "./exit_codes.ts";
import type { RunOptions } from "./run_options.ts";

/** How long a run waits for its workers to join and open their data. */
const startTimeoutMs = 300_000;
/** A wasm kernel holds its worker's event loop, heartbeats included, for as long as it runs. */
const silenceMsMax = { tensorflow: 5_000, wasm: 120_000 } as const;

export interface Coordination {
  /** Once, when the coordinator listens. */
  readonly onStart?: (coordinator: Coordinator) => void;
}

/**
 * Runs to the end.
 * @param run the run's name in subjects
 * @returns the exit code; failures throw
 */
export async function coordinate(
  transport: Transport,
  run: string,
  { configuration, out, resume, json }: RunOptions,
  { onStart }: Coordination = {},
): Promise<number> {
  const versions = { lockstep: manifest.version, deno: Deno.version.deno };
  const record = configuration as unknown as JsonValue;
  let report: RunReport | undefined;
  const warn = (sentence: string) =>
    report ? report.warn(sentence) : console.error(`Warning: ${sentence}`);
  const folder = await openRunFolder(
    diskFileSystem,
    out,
    { configuration: record, versions, device: "" },
    { resume, mayChange: mayChange(configuration), warn },
  );
  report = await createRunReport({
    configuration,
    folder: out,
    resumedStep: folder.resumed?.step ?? 0,
    output: standardError,
    clock: systemClock,
  });
  const coordinator = startCoordinator({
    transport,
    run,
    configuration,
    folder,
    report,
    limits: { startTimeoutMs, silenceMsMax: silenceMsMax[configuration.engine] },
    clock: systemClock,
    timeOfDay,
    onReady: (ready) =>
      writeRunRecord(diskFileSystem, out, {
        configuration: record,
        versions: { ...versions, [ready.engine]: ready.engineVersion },
        device: ready.device,
      }),
  });
  try {
    onStart?.(coordinator);
    const end = await coordinator.ended;
    report.close();
    if (json) console.log(JSON.stringify(summary(configuration, out, end, report)));
    else console.error(`${end.reason === "done" ? "Done" : "Stopped"}: ${out}`);
    return end.reason === "done" ? exitCodes.done : exitCodes.interrupted;
  } catch (error) {
    report.close();
    const why = error instanceof Error ? error.message : String(error);
    const checkpoint = coordinator.lastCheckpointStep();
    const hint = checkpoint === null
      ? ""
      : `; the checkpoint of step ${checkpoint} is in ${out}, go on with --resume --out ${out}`;
    throw new Error(why + hint, { cause: error });
  } finally {
    coordinator.close();
  }
}

/** A longer run of a schedule that spans the run has other learning rates from the start. */
function mayChange({ optimizer }: RunConfiguration): string[] {
  const spans = optimizer.schedule !== "constant";
  return resumableFields.filter((field) => !spans || (field !== "epochs" && field !== "steps"));
}

function summary(
  configuration: RunConfiguration,
  out: string,
  end: RunEnd,
  report: RunReport,
): Record<string, unknown> {
  const figures = report.figures();
  return {
    run: out,
    steps: end.step,
    loss: figures.loss,
    validationLoss: figures.validationLoss,
    persistenceLoss: figures.persistenceLoss,
    parametersSha256: end.parametersSha256,
    workers: configuration.workers,
    engine: end.ready.engine,
    device: end.ready.device,
    precision: configuration.precision,
    threads: configuration.threads,
    framesPerSecond: figures.framesPerSecond,
    secondsPerStep: figures.secondsPerStep,
    paddedShare: figures.paddedShare,
    restarts: 0,
  };
}
