/**
 * One worker from joining a run to its end: asks the coordinator for the configuration, opens what
 * it names, and trains its shards. The bits of the result do not depend on which shards they are.
 */
import { createAllReduce } from "../collective/all_reduce.ts";
import type { Dataset } from "../datasets/dataset.ts";
import { openDataset } from "../datasets/open_dataset.ts";
import { assignShards } from "../collective/canonical_tree.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open_engine.ts";
import { buildModel } from "../models/build_model.ts";
import type { Model } from "../models/model.ts";
import { buildOptimizer } from "../models/optimizers/build_optimizer.ts";
import type { Optimizer } from "../models/optimizers/optimizer.ts";
import { buildSchedule } from "../models/schedules.ts";
import { type Clock, delay } from "../net/clock.ts";
import { runSubjects, type StartMessage } from "../net/messages.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import type { Transport } from "../net/transport.ts";
import { connectCoordinator, type CoordinatorClient, RunEndedError } from "./coordinator_client.ts";
import { fingerprint } from "./fingerprint.ts";
import type { Position } from "./position.ts";
import { planTraining, runTraining } from "./run_training.ts";
import { samplePredictions } from "./sample_predictions.ts";
import { createTrainer, parameterCount, reducedExtras, type Trainer } from "./trainer.ts";

export interface WorkerOptions {
  /** For the conversation with the coordinator. */
  readonly control: Transport;
  /** For gradients; another connection, so that bulk data never delays a heartbeat. */
  readonly data: Transport;
  readonly run: string;
  /** Unique within the run; letters, digits, dashes. */
  readonly name: string;
  /** Host and process, for messages. */
  readonly where: string;
  readonly joinTimeoutMs: number;
  readonly clock: Clock;
  /** Called once, when the coordinator has accepted the worker. */
  readonly onJoined?: () => void;
}

/** Longest wait for the other workers' part of a sum. */
const reduceTimeoutMs = 600_000;
const turnIntervalMs = 100;
const pictureSequencesMax = 4;
const pictureFramesMax = 20;

/**
 * @throws {RunEndedError} when the coordinator refuses the worker or ends the run early
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { control, run, name, where, clock } = options;
  const client = connectCoordinator({ transport: control, run, worker: name, clock });
  try {
    const text = await client.join(where, options.joinTimeoutMs);
    options.onJoined?.();
    const configuration = JSON.parse(text) as RunConfiguration;
    await work(options, client, configuration);
  } finally {
    client.close();
  }
}

async function work(
  options: WorkerOptions,
  client: CoordinatorClient,
  configuration: RunConfiguration,
): Promise<void> {
  let engine: Engine | undefined;
  let dataset: Dataset | undefined;
  try {
    const { threads, precision } = configuration;
    engine = await openEngine(configuration.engine, { threads, precision });
    dataset = await openDataset(configuration.dataset, configuration.seed);
    const model = buildModel(configuration.model, dataset.frameShape, configuration.windowFrames);
    const optimizer = buildOptimizer(configuration.optimizer);
    await client.ready({
      engine: engine.name,
      engineVersion: engine.version,
      device: engine.device,
      precision,
      threads,
      parameterCount: parameterCount(model),
      fingerprint: fingerprint(
        ...model.initialize(configuration.seed),
        JSON.stringify([dataset.catalogue("train", 0), dataset.catalogue("validation", 0)]),
      ),
      dataset: dataset.description,
      parameters: model.parameters.map(({ name, shape }) => ({ name, shape: [...shape] })),
      states: model.state.map(({ name, shape }) => ({ name, shape: [...shape] })),
      slots: [...optimizer.slots],
    });
    const ended = client.ended.then((reason) => ({ type: "end" as const, reason }));
    const first = await Promise.race([client.started, ended]);
    if (first.type === "end") throw new RunEndedError(first.reason);
    await train({ ...options, client, configuration, engine, dataset, model, optimizer }, first);
  } catch (error) {
    if (!(error instanceof RunEndedError)) {
      const failure = error instanceof Error ? error.message : String(error);
      const end = { reason: "stopped" as const, step: 0, parametersSha256: "" };
      // The coordinator may be what failed; the error itself is thrown either way.
      await client.finished({ ...end, failure: failure.slice(0, 4000) }).catch(() => {});
    }
    throw error;
  } finally {
    dataset?.close();
    engine?.dispose();
  }
}

interface Opened extends WorkerOptions {
  readonly client: CoordinatorClient;
  readonly configuration: RunConfiguration;
  readonly engine: Engine;
  readonly dataset: Dataset;
  readonly model: Model;
  readonly optimizer: Optimizer;
}

async function train(opened: Opened, start: StartMessage): Promise<void> {
  const { client, configuration, engine, dataset, model, optimizer, clock } = opened;
  const rank = start.members.indexOf(opened.name);
  const owners = assignShards(configuration.shards, start.members.length);
  const shards = owners.flatMap((owner, shard) => (owner === rank ? [shard] : []));
  const allReduce = createAllReduce({
    transport: opened.data,
    subjectPrefix: runSubjects(opened.run).data,
    rank,
    generation: start.generation,
    owners,
    elements: parameterCount(model) + reducedExtras,
    firstStep: start.step + 1,
    timeoutMs: reduceTimeoutMs,
    clock,
  });
  // Nobody sends before everybody listens: what comes too early is lost.
  await allReduce.ready();
  await client.begin();
  let runEnded: string | undefined;
  void client.ended.then((reason) => {
    runEnded = reason;
    allReduce.close();
  });
  const lanesPerShard = configuration.lanes / configuration.shards;
  const schedule = buildSchedule(configuration.optimizer, totalSteps(opened));
  const trainer = createTrainer({
    engine,
    model,
    loss: configuration.loss,
    optimizer,
    schedule,
    seed: configuration.seed,
    lanesPerShard,
    shards,
    allReduce,
    pause: engine.name === "wasm" ? turnEventLoop(clock) : undefined,
  });
  try {
    if (start.restore) await restore(client, trainer, start, shards, lanesPerShard);
    const { reason, position } = await runTraining({
      configuration,
      dataset,
      model,
      trainer,
      shards,
      start: { step: start.step, epoch: start.epoch, planStep: start.planStep },
      learningRate: schedule,
      clock,
      hooks: {
        stopRequested: client.stopRequested,
        progress({ position, ...step }) {
          if (rank === 0) client.progress({ ...step, ...position });
        },
        validating(done, total) {
          if (rank === 0) client.validating({ done, total });
        },
        validated: (at, losses) => client.validation(at, losses),
        checkpoint: (at) => checkpoint(client, trainer, at, rank, shards, lanesPerShard),
      },
    });
    if (rank === 0 && reason === "done") await picture(opened, trainer, position);
    const parametersSha256 = fingerprint(trainer.readParameters());
    await client.finished({ reason, step: position.step, parametersSha256, failure: "" });
    await client.ended;
  } catch (error) {
    // When the run ends, whatever was under way fails; the run's reason is what matters.
    if (runEnded) throw new RunEndedError(runEnded, { cause: error });
    throw error;
  } finally {
    allReduce.close();
    trainer.dispose();
  }
}

/** Lets what waits have its turn, now and then: a turn takes some milliseconds. */
function turnEventLoop(clock: Clock): () => Promise<void> {
  let lastMs = clock.nowMs();
  return async () => {
    if (clock.nowMs() - lastMs < turnIntervalMs) return;
    await delay(clock, 0);
    lastMs = clock.nowMs();
  };
}

/** Steps of the whole run, for schedules that span it. */
function totalSteps({ configuration, dataset, model }: Opened): number {
  const { epochs, steps } = configuration;
  if (epochs === null) return steps!;
  return epochs * planTraining({ configuration, dataset, model }, 0).steps;
}

async function restore(
  client: CoordinatorClient,
  trainer: Trainer,
  start: StartMessage,
  shards: readonly number[],
  lanesPerShard: number,
): Promise<void> {
  const parameters = await client.readVector("parameters");
  const slots: Float32Array[] = [];
  for (const name of trainer.slotNames) slots.push(await client.readVector(`slot/${name}`));
  trainer.restore(start.step, parameters, slots);
  const lanes = new Map<number, Float32Array>();
  for (const lane of lanesOf(shards, lanesPerShard)) {
    lanes.set(lane, await client.readVector(`lane/${lane}`));
  }
  trainer.states.writeLanes(lanes);
}

async function checkpoint(
  client: CoordinatorClient,
  trainer: Trainer,
  position: Position,
  rank: number,
  shards: readonly number[],
  lanesPerShard: number,
): Promise<void> {
  if (rank === 0) {
    await client.writeVector("parameters", trainer.readParameters());
    const slots = trainer.readSlots();
    for (const [index, name] of trainer.slotNames.entries()) {
      await client.writeVector(`slot/${name}`, slots[index]);
    }
  }
  for (const lane of lanesOf(shards, lanesPerShard)) {
    await client.writeVector(`lane/${lane}`, trainer.states.readLane(lane));
  }
  await client.checkpoint(position);
}

async function picture(opened: Opened, trainer: Trainer, position: Position): Promise<void> {
  const { client, model, dataset, configuration } = opened;
  const samples = await samplePredictions({
    trainer,
    model,
    dataset,
    lanesPerShard: configuration.lanes / configuration.shards,
    sequencesMax: pictureSequencesMax,
    framesMax: pictureFramesMax,
  });
  for (const [index, { truth, predictions }] of samples.entries()) {
    await client.writeVector(`sample/${index}/truth`, truth);
    await client.writeVector(`sample/${index}/predictions`, predictions);
  }
  const [height, width, channels] = model.frameShape;
  const described = samples.map(({ label, frames, firstPredicted }) => ({
    label,
    frames,
    firstPredicted,
  }));
  await client.picture({ step: position.step, height, width, channels, samples: described });
}

function lanesOf(shards: readonly number[], lanesPerShard: number): number[] {
  return shards.flatMap((shard) =>
    Array.from({ length: lanesPerShard }, (_, row) => shard * lanesPerShard + row)
  );
}
