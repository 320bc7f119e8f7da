/** Opens what a run's configuration names: engine, dataset, model, optimizer. */
import type { Dataset } from "../datasets/dataset.ts";
import { identityOf } from "../datasets/data_identity.ts";
import { datasetPaths, openDataset } from "../datasets/open_dataset.ts";
import { requireWindows } from "../datasets/plan.ts";
import { atStride } from "../datasets/window_shape.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open_engine.ts";
import { buildModel, findModel } from "../models/build_model.ts";
import { tellsClasses } from "../models/last_answer.ts";
import { defaultLoss } from "../models/losses.ts";
import { buildOptimizer } from "../models/optimizers/build_optimizer.ts";
import { buildSchedule } from "../models/schedules.ts";
import type { Clock } from "../net/clock.ts";
import { descriptionLengthMax, keptClassesMax, keptClassLengthMax } from "../net/messages.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import { evaluateSplit } from "./evaluation.ts";
import { fingerprint } from "./fingerprint.ts";
import type { OpenedRun } from "./opened_run.ts";
import { samplePredictions } from "./sample_predictions.ts";
import { settingWarnings } from "./setting_warnings.ts";
import { createStepFunctions } from "./step_functions.ts";
import { createTrainer, parameterCount, reducedLength } from "./trainer.ts";
import { trainingSteps } from "./training_span.ts";
import { turnEventLoop } from "./turn_event_loop.ts";
import { warmUp } from "./warm_up.ts";
import { mayMiss } from "./window_batch.ts";

const pictureSequencesMax = 4;
const pictureFramesMax = 20;
/** Reads of windows in flight ahead of the compute. */
const aheadMax = 4;

export async function openRun(
  configuration: RunConfiguration,
  clock: Clock,
): Promise<OpenedRun> {
  const { threads, precision, seed, lanes, shards: shardCount } = configuration;
  let engine: Engine | undefined;
  let dataset: Dataset | undefined;
  try {
    engine = await openEngine(configuration.engine, { threads, precision });
    dataset = await openDataset(configuration.dataset, seed);
    const { name, source } = configuration.model;
    const definition = await findModel(name, source);
    const { model: named, windowFrames } = configuration;
    const built = buildModel(named, dataset, windowFrames, definition);
    const model = { ...built, window: atStride(built.window, configuration.windowStride) };
    requireWindows(dataset.catalogue("train", 0), model.window, "train");
    requireWindows(dataset.catalogue("validation", 0), model.window, "validation");
    const loss = configuration.loss ?? model.loss ?? defaultLoss;
    const hasTargets = dataset.targetShape !== undefined;
    const hasMissing = mayMiss(dataset);
    const optimizer = buildOptimizer(configuration.optimizer);
    // Compiled once: a new generation must not cost new traces.
    const functions = createStepFunctions({
      engine,
      model,
      loss,
      optimizer,
      ...{ hasTargets, hasMissing, tellsClasses: tellsClasses(model, dataset) },
      // It computes on the event loop itself.
      pause: engine.name === "wasm" ? turnEventLoop(clock) : undefined,
    });
    const { schedule: course, warmupSteps } = configuration.optimizer;
    const needsSpan = course !== "constant" || warmupSteps > 0;
    const totalSteps = needsSpan ? trainingSteps(configuration, dataset, model.window) : Infinity;
    const schedule = buildSchedule(configuration.optimizer, totalSteps);
    const data = await identityOf(dataset, datasetPaths(configuration.dataset));
    const warnings = settingWarnings(configuration, dataset, model.window, totalSteps);
    const lanesPerShard = lanes / shardCount;
    // What the wasm engine computes is computed anew each time: there is nothing to warm up.
    if (engine.name === "tensorflow") {
      await warmUp(functions, model, optimizer, lanesPerShard, dataset);
    }
    const opened = { engine, dataset };
    // Drawn once: large orthogonal kernels take seconds, in which a new generation gives no sign of life.
    const initial = model.initialize(seed);
    return {
      report: {
        engine: engine.name,
        engineVersion: engine.version,
        device: engine.device,
        precision,
        parameterCount: parameterCount(model),
        ...(definition.sourceSha256 === undefined ? {} : { modelSource: definition.sourceSha256 }),
        fingerprint: fingerprint(
          ...initial,
          JSON.stringify([dataset.catalogue("train", 0), dataset.catalogue("validation", 0)]),
          JSON.stringify([loss, dataset.targetShape ?? [], dataset.classes ?? []]),
          ...(hasMissing ? ["with missing values"] : []),
        ),
        ...(data === undefined ? {} : { data }),
        ...(warnings.length === 0 ? {} : { warnings }),
        dataset: dataset.description.slice(0, descriptionLengthMax),
        ...(tellsClasses(model, dataset) ? namedClasses(dataset) : {}),
        frameShape: [...model.frameShape],
        parameters: model.parameters.map(({ name, shape }) => ({ name, shape: [...shape] })),
        states: model.state.map(({ name, shape }) => ({ name, shape: [...shape] })),
        slots: [...optimizer.slots],
        window: { frames: model.window.frames, predictions: model.window.predictions },
      },
      reducedElements: reducedLength(model, hasMissing),
      dataset,
      window: model.window,
      learningRate: schedule,
      createTrainer(shards, allReduce) {
        const trainer = createTrainer({
          engine: opened.engine,
          model,
          loss,
          functions,
          initial,
          optimizer,
          schedule,
          seed,
          lanesPerShard,
          shards,
          allReduce,
          hasMissing,
        });
        return {
          trainer,
          evaluate: (isGivenUp, onProgress) =>
            evaluateSplit({
              trainer,
              model,
              dataset: opened.dataset,
              split: "validation",
              lanes,
              lanesPerShard,
              shards,
              aheadMax,
              isGivenUp,
              onProgress,
              pause: turnEventLoop(clock),
            }),
          samples: () =>
            samplePredictions({
              trainer,
              model,
              dataset: opened.dataset,
              lanesPerShard,
              sequencesMax: pictureSequencesMax,
              framesMax: pictureFramesMax,
              pause: turnEventLoop(clock),
            }),
        };
      },
      close() {
        functions.dispose();
        opened.dataset.close();
        opened.engine.dispose();
      },
    };
  } catch (error) {
    dataset?.close();
    engine?.dispose();
    throw error;
  }
}

/** Where answers number them, so that another folder's classes are not taken for the run's. */
function namedClasses({ classes }: Dataset): { classes?: string[] } {
  const isKept = classes !== undefined && classes.length <= keptClassesMax &&
    classes.every((name) => name.length <= keptClassLengthMax);
  return isKept ? { classes: [...classes] } : {};
}
