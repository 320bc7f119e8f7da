/**
 * One worker's part of training: its copy of the parameters and optimizer slots, the states of its
 * lanes, and one step. All it exchanges with others is the sum of gradients.
 */
import type { AllReduce } from "../collective/reduction.ts";
import type { Engine, ExecutionMode } from "../engine/engine.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import type { Model } from "../models/model.ts";
import type { RunTrainer } from "./opened_run.ts";
import type { Optimizer } from "../models/optimizers/optimizer.ts";
import type { Schedule } from "../models/schedules.ts";
import { isAllFinite } from "../net/finite.ts";
import type { LossName } from "../net/run_configuration.ts";
import { countParts, joinCount, splitCount } from "./exact_count.ts";
import { drawNoise } from "./lane_noise.ts";
import { createLaneStates, type LaneStates } from "./lane_states.ts";
import { createStepFunctions, type ShardWindows, type StepFunctions } from "./step_functions.ts";
import { sizeOf, type WindowBatch } from "./window_batch.ts";
import { readWishes, sayWishes } from "./wishes.ts";

export interface TrainerOptions {
  readonly engine: Engine;
  readonly model: Model;
  readonly loss: LossName;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly seed: number;
  readonly lanesPerShard: number;
  /** The shards that this worker owns. */
  readonly shards: readonly number[];
  readonly allReduce: AllReduce;
  /** Whether the windows bring the dataset's answers. */
  readonly hasTargets?: boolean;
  /** Whether frames or answers may be missing: the step's divisor is then summed with its loss. */
  readonly hasMissing?: boolean;
  /** Whether the model's answers are classes. */
  readonly tellsClasses?: boolean;
  /** The model's first weights, drawn before; drawn here where none are given. */
  readonly initial?: readonly Float32Array[];
  /** The engine's own where none is given. */
  readonly mode?: ExecutionMode;
  /** Compiled before, and disposed by who did; compiled here where none are given. */
  readonly functions?: StepFunctions;
}

/** A trainer that computes with an engine. */
export interface Trainer extends RunTrainer {
  readonly states: LaneStates;
  readonly functions: StepFunctions;
  readonly parameterCount: number;
  parameters(): Tensor;
}

/**
 * After the gradient in the reduced vector: the loss, the states' magnitude, the wish to stop. Where
 * data may miss values, the number of errors that count follows.
 */
export const reducedExtras = 3;

/** Length of the vector that is summed over all workers. */
export function reducedLength(model: Model, hasMissing = false): number {
  return parameterCount(model) + reducedExtras + (hasMissing ? countParts : 0);
}

export function parameterCount(model: Model): number {
  return model.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

export function createTrainer(options: TrainerOptions): Trainer {
  const { engine, model, loss, optimizer, schedule, seed, lanesPerShard, shards, mode } = options;
  const { hasTargets, hasMissing = false, tellsClasses } = options;
  const functions = options.functions ?? createStepFunctions({
    ...{ engine, model, loss, optimizer, hasTargets, hasMissing, tellsClasses, mode },
  });
  const states = createLaneStates(model.state, shards, lanesPerShard);
  const count = parameterCount(model);
  let step = 0;
  let parameters = flatTensor(concatenate(options.initial ?? model.initialize(seed), count));
  let slots = optimizer.slots.map(() => flatTensor(new Float32Array(count)));
  // A thread's gradient on its way into the sum, which takes a copy: one array for all steps, because
  // garbage outside of V8's heap is collected late.
  const reduced = Array.from(
    { length: engine.threads },
    () => new Float32Array(reducedLength(model, hasMissing)),
  );
  const means = hasMissing ? new Float32Array(count) : undefined;

  const replace = (next: { parameters: Tensor; slots: readonly Tensor[] }) => {
    parameters.dispose();
    for (const slot of slots) slot.dispose();
    parameters = next.parameters;
    slots = [...next.slots];
  };

  return {
    states,
    functions,
    get step() {
      return step;
    },
    parameterCount: count,
    slotNames: optimizer.slots,
    errorsPerPrediction: functions.errorsPerPrediction,
    dividesAfterwards: hasMissing,
    parameters: () => parameters,
    async trainStep(next, stop, keep = false) {
      const reduction = options.allReduce.begin(step + 1);
      let left = shards.length;
      // Shards are independent, so each thread works through its own: that keeps threads busier than
      // sharing every op among them, and a shard's bits do not depend on how many threads there are.
      const workThrough = async (values: Float32Array) => {
        while (left-- > 0) {
          const batch = await next();
          const ownLanes = { first: batch.shard * lanesPerShard, count: lanesPerShard };
          const noise = drawNoise(model.noise ?? [], seed, step + 1, ownLanes);
          const windows = uploadWindows(batch, model, lanesPerShard, noise);
          const { flat, state, counts } = await functions.gradients(
            parameters,
            states.ofShard(batch.shard),
            windows,
          );
          states.replace(batch.shard, state);
          values.set(flat.dataSync() as Float32Array);
          values[count + 2] = batch.shard === shards[0] ? sayWishes({ stop, keep }) : 0;
          if (counts) values.set(splitCount(sumOf(counts)), count + reducedExtras);
          tf.dispose(counts ? [flat, counts] : flat);
          disposeWindows(windows);
          reduction.add(batch.shard, values);
        }
      };
      // Whoever fails, nothing computes any more when this throws: the caller may dispose everything.
      const ends = await Promise.allSettled(reduced.map(workThrough));
      for (const end of ends) if (end.status === "rejected") throw end.reason;
      const total = await reduction.total();
      const counted = hasMissing ? joinCount(total.subarray(count + reducedExtras)) : undefined;
      const report = {
        // Where nothing counts, the mean is 0 and has no weight.
        loss: counted === undefined ? total[count] : total[count] / (counted || 1),
        ...readWishes(total[count + 2]),
        ...(counted !== undefined && { counted: counted / functions.errorsPerPrediction }),
      };
      step++;
      // The total has the same bits on every worker, so all of them decide the same.
      const fault = faultOf(total, count);
      if (fault !== undefined) return { ...report, fault, lanesReset: states.resetNonFinite() };
      if (counted === 0) return report;
      // Uploaded as it is: the sum is not written again before the next step begins.
      const sum = total.subarray(0, count);
      const gradient = flatTensor(means ? divideInto(means, sum, counted!) : sum);
      const learningRate = tf.scalar(schedule(step));
      const biasCorrection = tf.tensor1d(optimizer.biasCorrection(step));
      const { magnitude, ...updated } = await functions.update(parameters, slots, gradient, {
        learningRate,
        biasCorrection,
      });
      const isFinite = Number.isFinite(magnitude.dataSync()[0]);
      tf.dispose([gradient, learningRate, biasCorrection, magnitude]);
      if (isFinite) {
        replace(updated);
        return report;
      }
      tf.dispose([updated.parameters, ...updated.slots]);
      return { ...report, fault: "its update is not finite", lanesReset: [] };
    },
    readParameters: () => (parameters.dataSync() as Float32Array).slice(),
    readSlots: () => slots.map((slot) => (slot.dataSync() as Float32Array).slice()),
    restore(restoredStep, restoredParameters, restoredSlots) {
      step = restoredStep;
      replace({
        parameters: flatTensor(restoredParameters),
        slots: restoredSlots.map(flatTensor),
      });
    },
    dispose() {
      parameters.dispose();
      for (const slot of slots) slot.dispose();
      states.dispose();
      if (!options.functions) functions.dispose();
    },
  };
}

/** What of a step's total is not finite, in words; undefined where all is well. */
function faultOf(total: Float32Array, count: number): string | undefined {
  const [loss, magnitude] = [total[count], total[count + 1]];
  if (!Number.isFinite(loss)) return `its loss is ${loss}`;
  if (!isAllFinite(total.subarray(0, count))) return "its gradient is not finite";
  return Number.isFinite(magnitude) ? undefined : "the state of a lane is not finite";
}

/** In float64. */
export function sumOf(tensor: Tensor): number {
  return (tensor.dataSync() as Float32Array).reduce((sum, value) => sum + value, 0);
}

function divideInto(result: Float32Array, values: Float32Array, divisor: number): Float32Array {
  for (let i = 0; i < values.length; i++) result[i] = values[i] / divisor;
  return result;
}

/**
 * A shard's windows as tensors, which the caller disposes.
 * @param noise in the order of `Model.noise`; none for an evaluation
 */
export function uploadWindows(
  batch: WindowBatch,
  model: Model,
  lanesPerShard: number,
  noise: readonly Float32Array[] = [],
): ShardWindows {
  const { frames, predictions } = model.window;
  const { targets } = batch;
  return {
    frames: tf.tensor(batch.frames, [lanesPerShard, frames, ...model.frameShape], "float32"),
    resets: tf.tensor(batch.resets, [lanesPerShard], "float32"),
    weights: tf.tensor(batch.weights, [lanesPerShard, predictions], "float32"),
    targets: targets &&
      tf.tensor(targets.values, [lanesPerShard, frames, ...targets.shape], "float32"),
    noise: uploadNoise(noise, model, lanesPerShard),
  };
}

/** As `ShardWindows` has it; the caller disposes it. */
export function uploadNoise(
  noise: readonly Float32Array[],
  model: Model,
  lanesPerShard: number,
): Tensor[] {
  return noise.map((values, index) =>
    tf.tensor(values, [lanesPerShard, ...model.noise![index].shape], "float32")
  );
}

export function disposeWindows({ frames, resets, weights, targets, noise }: ShardWindows): void {
  tf.dispose([frames, resets, weights, ...(targets ? [targets] : []), ...noise]);
}

function flatTensor(values: Float32Array): Tensor {
  return tf.keep(tf.tensor(values, [values.length], "float32"));
}

function concatenate(arrays: readonly Float32Array[], length: number): Float32Array {
  const flat = new Float32Array(length);
  let offset = 0;
  for (const array of arrays) {
    flat.set(array, offset);
    offset += array.length;
  }
  return flat;
}
