/**
 * A coordinator with its run folder, reports and exit code, over any transport: what the
 * `coordinator` command runs on nats-server and `train` runs in its own process without one.
 */
import {
  BrokerLostError,
  type Coordinator,
  InterruptedError,
  type RunEnd,
  startCoordinator,
} from "../coordinator/run_coordinator.ts";
import { classDifference } from "../coordinator/class_names.ts";
import { dataDifference } from "../coordinator/data_difference.ts";
import { diskFileSystem, type FileSystem } from "../coordinator/file_system.ts";
import { type JournalDisk, openJournal } from "../coordinator/journal.ts";
import {
  openRunFolder,
  type RunFolder,
  sourceRefusal,
  writeRunRecord,
} from "../coordinator/run_folder.ts";
import { createRunReport, type RunReport } from "../coordinator/run_report.ts";
import { writeTrainingPicture } from "../coordinator/training_picture.ts";
import { datasetOptionSpecs } from "../datasets/open_dataset.ts";
import { systemClock, timeOfDay } from "../net/clock.ts";
import { resumableFields, type RunConfiguration } from "../net/run_configuration.ts";
import type { Transport } from "../net/transport.ts";
import { standardError } from "../report/progress_line.ts";
import type { JsonValue } from "../coordinator/checkpoint_manifest.ts";
import manifest from "../deno.json" with { type: "json" };
import { exitCodes, sentenceOf } from "./exit_codes.ts";
import { type HeldRun, holdRun } from "./held_run.ts";
import { readInitialWeights } from "./initial_weights.ts";
import { resumeHint, tellLostSteps } from "./resume_hint.ts";
import { watchRunFolder } from "./run_folder_watch.ts";
import type { RunOptions } from "./run_options.ts";
import { shellWord } from "./shell_word.ts";

/** Workers load a library, fetch and decode before they are ready, however patient a run is later. */
const startTimeoutMsMin = 300_000;
/**
 * A worker's event loop, heartbeats included, stands still while it loads a library or traces a
 * function, and on wasm for as long as one call computes.
 */
const silenceMsMax = { tensorflow: 1_000, wasm: 120_000 } as const;

export interface Coordination {
  /** Once, when the coordinator listens. */
  readonly onStart: (
    coordinator: Coordinator,
    say: (line: string) => void,
  ) => Promise<void> | void;
  /** Worker and coordinator are one process, which cannot lose sight of itself. */
  readonly inProcess?: boolean;
  /** In place of the real ones. */
  readonly disks?: { readonly fileSystem: FileSystem; readonly journal: JournalDisk };
}

/**
 * Runs to the end.
 * @param run the run's name in subjects
 * @param held by whoever holds the run already, and goes on to hold it
 * @returns the exit code; failures throw
 */
export async function coordinate(
  transport: Transport,
  run: string,
  options: RunOptions,
  { onStart, inProcess = false, disks }: Coordination,
  held?: HeldRun,
): Promise<number> {
  const { configuration, out, resume, json } = options;
  const fileSystem = disks?.fileSystem ?? diskFileSystem;
  // Nothing of the run is touched before it is known that nobody else leads it.
  using own = held ? undefined : await holdRun(transport, run, out, { inProcess });
  const { life, leadership } = (held ?? own)!;
  const versions = { lockstep: manifest.version, deno: Deno.version.deno };
  const record = configuration as unknown as JsonValue;
  const warn = (sentence: string) => console.error(`Warning: ${sentence}`);
  const folder = await openRunFolder(
    fileSystem,
    out,
    { configuration: record, versions, device: "" },
    { resume, mayChange: mayChange(configuration), dataPaths: dataPaths(configuration), warn },
  );
  const { initialWeights } = configuration;
  const arrays = initialWeights && !folder.resumed
    ? await readInitialWeights(initialWeights)
    : undefined;
  const journal = openJournal(`${out}/journal.jsonl`, disks?.journal);
  const report = await createRunReport({
    configuration,
    folder: out,
    resumedStep: folder.resumed?.step ?? 0,
    skippedSteps: journal.skippedSteps,
    output: standardError,
    clock: systemClock,
    timeOfDay,
  });
  report.joined(0, configuration.workers);
  const coordinator = startCoordinator({
    transport,
    run,
    configuration,
    folder,
    report,
    journal,
    fileSystem,
    ...(arrays && { initialWeights: { source: initialWeights!.path, arrays } }),
    limits: {
      startTimeoutMs: startTimeoutMs(configuration.membership),
      silenceMsMax: inProcess
        ? Infinity
        : configuration.membership.silenceMsMax ?? silenceMsMax[configuration.engine],
      waitTimeoutMs: configuration.membership.waitTimeoutMs,
      workersMin: configuration.membership.workersMin,
      workersMax: configuration.shards,
    },
    clock: systemClock,
    life,
    timeOfDay,
    refuse: ({ modelSource, classes, data }) =>
      sourceRefusal(folder, modelSource) ?? classRefusal(folder, classes) ??
        dataRefusal(folder, data),
    onReady: (ready) =>
      writeRunRecord(fileSystem, out, {
        configuration: record,
        versions: { ...versions, [ready.engine]: ready.engineVersion },
        device: ready.device,
        modelSource: ready.modelSource,
      }),
  });
  leadership?.lead(() => coordinator.isRunning, coordinator.fail);
  const stopWatching = watchRunFolder(out, systemClock, coordinator.fail);
  // One after the other: both write one file.
  let drawing: Promise<string | undefined> = Promise.resolve(undefined);
  const drawTraining = () =>
    drawing = drawing.then(() => writeTrainingPicture(out, configuration)).catch((error) => {
      // As with predictions: it costs a warning, never the run.
      report.warn(`Cannot draw ${out}/training.png: ${sentenceOf(error)}`);
      return undefined;
    });
  // What an earlier life left without a picture, where it was killed.
  if (folder.resumed) void drawTraining();
  let end: RunEnd;
  try {
    await onStart(coordinator, report.tell);
    end = await coordinator.ended;
    stopWatching();
  } catch (error) {
    stopWatching();
    await coordinator.close();
    // The broker may be back at any moment, and the run goes on then.
    await (error instanceof BrokerLostError ? drawing : drawTraining());
    report.close();
    journal.close();
    if (error instanceof BrokerLostError) throw error;
    if (error instanceof InterruptedError) {
      const hint = await resumeHint(out);
      await tellLostSteps(out);
      console.error(`Interrupted${hint === "" ? " before the first step" : hint}`);
      return exitCodes.interrupted;
    }
    throw new Error(sentenceOf(error) + await resumeHint(out), { cause: error });
  }
  await coordinator.close();
  const picture = await drawTraining();
  if (picture !== undefined) report.tell(`training curves ${picture}`);
  report.close();
  journal.close();
  if (json) console.log(JSON.stringify(summary(configuration, out, end, report)));
  const isDone = end.reason === "done";
  console.error(
    isDone ? `Done: ${out}` : `Stopped at step ${end.step}${await resumeHint(out)}`,
  );
  return isDone ? exitCodes.done : exitCodes.interrupted;
}

/** How long a run waits for its first workers. */
export function startTimeoutMs(
  { startTimeoutMs, waitTimeoutMs }: RunConfiguration["membership"],
): number {
  return startTimeoutMs ?? Math.max(startTimeoutMsMin, waitTimeoutMs);
}

function classRefusal(
  { path, resumed }: RunFolder,
  found: readonly string[] | undefined,
): string | undefined {
  const difference = classDifference(resumed?.classes, found);
  return difference &&
    `Cannot resume ${path}: ${difference}; put back the folders of its classes, or start a new run ` +
      "with --out";
}

function dataRefusal({ path, resumed }: RunFolder, found: string | undefined): string | undefined {
  const difference = dataDifference(resumed?.data, found);
  return difference &&
    `Cannot resume ${path}: ${difference}; put the data back, or start a new run from its weights ` +
      `with --init ${shellWord(path)}`;
}

/**
 * A longer run of a schedule that spans the run has other learning rates from the start. Where a model's
 * file lies may change where its source, which may not, says that it is the same.
 */
function mayChange({ optimizer, model }: RunConfiguration): string[] {
  const spans = optimizer.schedule !== "constant";
  return [
    ...resumableFields.filter((field) => !spans || (field !== "epochs" && field !== "steps")),
    ...(model.source === undefined ? [] : ["model.name"]),
  ];
}

function dataPaths({ dataset }: RunConfiguration): string[] {
  const options = datasetOptionSpecs(dataset.name).filter(({ isPath }) => isPath);
  return ["dataset.path", ...options.map(({ name }) => `dataset.options.${name}`)];
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
    ...(figures.accuracy === null ? {} : { accuracy: figures.accuracy }),
    parametersSha256: end.parametersSha256,
    workers: configuration.workers,
    engine: end.ready.engine,
    device: end.ready.device,
    precision: configuration.precision,
    threads: configuration.threads,
    framesPerSecond: figures.framesPerSecond,
    secondsPerStep: figures.secondsPerStep,
    paddedShare: figures.paddedShare,
    restarts: end.restarts,
    skippedSteps: figures.skippedSteps,
  };
}
