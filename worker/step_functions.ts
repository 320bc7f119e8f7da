/**
 * The compiled functions of a run, built from its model, loss and optimizer: gradients of a shard's
 * windows, the update, and the losses of validation. Each is one call into the engine.
 *
 * Parameters, gradients and optimizer slots are single flat vectors, so that what is reduced,
 * updated, hashed and saved is the same array in the same order.
 */
import type { CompiledFunction, Engine, ExecutionMode } from "../engine/engine.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { applyModel } from "../models/check_model.ts";
import {
  correctSum,
  errorsPerPrediction,
  lossSum,
  requireLossFits,
  trainingCounts,
  trainingLossSum,
  weightedCounts,
} from "../models/losses.ts";
import { observedFrames, type ObservedTargets, observedTargets } from "../models/missing_values.ts";
import type { Model, ModelInputs } from "../models/model.ts";
import type { Optimizer, UpdateScalars } from "../models/optimizers/optimizer.ts";
import type { LossName } from "../net/run_configuration.ts";
import { movingAverages } from "./moving_averages.ts";

/** A shard's windows as tensors. */
export interface ShardWindows {
  /** [lanes, window frames, height, width, channels]; NaN where values are missing. */
  readonly frames: Tensor;
  /** [lanes] of 0 or 1: whether the lane's state becomes zero first. */
  readonly resets: Tensor;
  /** [lanes, predictions], divided by the step's sum(weight) * errors of a prediction. */
  readonly weights: Tensor;
  /** [lanes, window frames, ...targetShape], where the dataset has answers. */
  readonly targets?: Tensor;
  /** In the order of `Model.noise`, each [lanes, ...shape]; not for `evaluate`. */
  readonly noise: readonly Tensor[];
}

export interface GradientResult {
  /**
   * [parameters + 2]: the gradient of the shard's part of the loss, that part itself, and the sum of
   * the new state's magnitudes, which is finite only where every value of the state is.
   */
  readonly flat: Tensor;
  /** The state after the windows, in the order of `Model.state`. */
  readonly state: Tensor[];
  /**
   * Where data may miss values, the sum of weight × errors that count, of each prediction and of each
   * that the model makes besides: [lanes, n].
   */
  readonly counts?: Tensor;
}

export interface EvaluationResult {
  /** One weighted sum for each of `StepFunctions.evaluated`. */
  readonly losses: Tensor;
  /** [lanes, predictions, ...outputShape] */
  readonly predictions: Tensor;
  readonly state: Tensor[];
  /**
   * Where data may miss values, the sum of weight × errors that count, of each prediction: of the
   * model's errors and of those of repeating the last frame, where both are known.
   */
  readonly counts?: EvaluationCounts;
  /** With `isDetailed`, where the model has them: [lanes, predictions], [lanes, predictions, n]. */
  readonly penalty?: Tensor;
  readonly latent?: Tensor;
}

/** Each [lanes, predictions]. */
export interface EvaluationCounts {
  readonly model: Tensor;
  readonly persistence?: Tensor;
}

export interface UpdateResult {
  readonly parameters: Tensor;
  /** Sum of the magnitudes of all parameters and slots: finite only where each of them is. */
  readonly magnitude: Tensor;
  readonly slots: Tensor[];
}

/**
 * What an evaluation sums: the model's errors; those of repeating the last frame seen, where the
 * model forecasts; answers whose class is right, where answers or loss are of classes. All of them
 * divided by the weights and `errorsPerPrediction` are means.
 */
export type EvaluatedSum = "lossSum" | "persistenceSum" | "correctSum";

/** All inputs stay the caller's; all results become the caller's. */
export interface StepFunctions {
  readonly evaluated: readonly EvaluatedSum[];
  /** Errors that add up to one prediction's. */
  readonly errorsPerPrediction: number;
  gradients(
    parameters: Tensor,
    state: readonly Tensor[],
    windows: ShardWindows,
  ): Promise<GradientResult>;
  evaluate(
    parameters: Tensor,
    state: readonly Tensor[],
    windows: ShardWindows,
  ): Promise<EvaluationResult>;
  /** The model's answer with the windows' noise: [lanes, predictions, ...outputShape]. */
  sample(parameters: Tensor, state: readonly Tensor[], windows: ShardWindows): Promise<Tensor>;
  /** @param gradient the sum over all shards, [parameters] */
  update(
    parameters: Tensor,
    slots: readonly Tensor[],
    gradient: Tensor,
    scalars: UpdateScalars,
  ): Promise<UpdateResult>;
  dispose(): void;
}

export interface StepOptions {
  readonly engine: Engine;
  readonly model: Model;
  readonly loss: LossName;
  readonly optimizer: Optimizer;
  /** Whether the windows bring the dataset's answers. */
  readonly hasTargets?: boolean;
  /** Whether frames or answers may be missing, which is NaN. */
  readonly hasMissing?: boolean;
  /** Whether the model's answers are classes, which are right or wrong whatever the loss. */
  readonly tellsClasses?: boolean;
  /** Whether `evaluate` also gives the model's penalties and latent points. */
  readonly isDetailed?: boolean;
  readonly mode?: ExecutionMode;
  /** Awaited before each call; for an engine that would never let the event loop turn. */
  readonly pause?: () => Promise<void>;
}

const noPause = () => Promise.resolve();

export function createStepFunctions(options: StepOptions): StepFunctions {
  const { engine, model, loss, optimizer, mode, pause = noPause } = options;
  const { hasTargets = false, isDetailed = false, tellsClasses = false } = options;
  const { hasMissing = false } = options;
  requireLossFits(loss, model.outputShape);
  const averages = movingAverages(model);
  const stateCount = model.state.length;
  const evaluated: EvaluatedSum[] = [
    "lossSum",
    ...(model.persistence ? ["persistenceSum" as const] : []),
    ...(tellsClasses || loss === "cross-entropy" ? ["correctSum" as const] : []),
  ];
  // Of an answer: other losses count one for each class.
  const errorsOfAnswer = errorsPerPrediction(loss, model.outputShape) /
    errorsPerPrediction("cross-entropy", model.outputShape);
  const inputsOf = ([parameters, frames, resets, weights, ...rest]: Tensor[]) => {
    const given = hasTargets ? rest.shift() : undefined;
    const noise = rest.splice(0, rest.length - stateCount);
    return { parameters, frames, resets, weights, given, noise, state: rest };
  };

  const seenOf = (frames: Tensor) => hasMissing ? observedFrames(frames) : { frames };
  const targetsOf = (frames: Tensor, given?: Tensor): ObservedTargets =>
    hasMissing ? observedTargets(model, frames, given) : { values: model.targets(frames, given) };

  const gradients = engine.compile("gradients", (inputs) => {
    const { parameters, frames, resets, weights, given, noise, state } = inputsOf(inputs);
    const initial = resetLanes(state, resets);
    // What leaves the gradient's scope beside the loss must outlive that scope.
    const leaving = (tensor: Tensor) => tf.keep(tf.clone(tensor));
    let newState: Tensor[] = [];
    let counts: Tensor[] = [];
    let statistics: Tensor[] = [];
    const all = splitParameters(model, parameters);
    const objective = (...trained: Tensor[]) => {
      const values = averages?.withTrained(all, trained) ?? trained;
      const seen = {
        ...{ ...seenOf(frames), noise, training: true },
        ...(averages && { counts: averages.counts(weights) }),
      };
      const output = applyModel(model, values, initial, seen);
      newState = output.state.map(leaving);
      if (averages) statistics = output.statistics!.map(leaving);
      const { values: targets, observed } = targetsOf(frames, given);
      if (observed) counts = [leaving(trainingCounts(loss, output, observed, weights))];
      return trainingLossSum(loss, output, targets, weights, observed);
    };
    const { value, grads } = tf.valueAndGrads(objective)(averages?.trained(all) ?? all);
    const shareOf = () =>
      counts.length > 0
        ? tf.sum(counts[0])
        : tf.mul(tf.sum(weights), errorsPerPrediction(loss, model.outputShape));
    const summands = averages
      ? averages.summands(grads, statistics.map(release), shareOf())
      : grads;
    const parts = [
      ...summands.map((gradient) => tf.reshape(gradient, [-1])),
      tf.reshape(value, [1]),
      tf.reshape(magnitudeOf(newState), [1]),
    ];
    return [tf.concat(parts, 0), ...counts.map(release), ...newState.map(release)];
  }, { mode });

  const countsOfEvaluation = hasMissing ? (model.persistence ? 2 : 1) : 0;
  // Known once the model has been called, which a compiled function does before it gives anything.
  let beside: ("penalty" | "latent")[] = [];
  const evaluate = engine.compile("evaluate", (inputs) => {
    const { parameters, frames, resets, weights, given, state } = inputsOf(inputs);
    const values = splitParameters(model, parameters);
    const output = applyModel(model, values, resetLanes(state, resets), {
      ...seenOf(frames),
      noise: middleNoise(model, frames.shape[0]),
      training: false,
    });
    const { predictions, penalty } = output;
    const { values: targets, observed } = targetsOf(frames, given);
    const masks = observed ? [observed] : [];
    const sums: { readonly [sum in EvaluatedSum]: () => Tensor } = {
      lossSum: () => lossSum(loss, predictions, targets, weights, penalty, observed),
      persistenceSum() {
        if (!observed) return lossSum(loss, model.persistence!(frames), targets, weights);
        const repeated = observedTargets({ targets: model.persistence! }, frames);
        const isKnown = tf.mul(observed, repeated.observed!) as Tensor;
        masks.push(isKnown);
        // Zeros alone are no classes' shares, whose error would be no number.
        const stated = tf.where(tf.cast(isKnown, "bool"), repeated.values, tf.onesLike(targets));
        return lossSum(loss, stated, targets, weights, undefined, isKnown);
      },
      correctSum: () => tf.mul(correctSum(predictions, targets, weights, observed), errorsOfAnswer),
    };
    const losses = tf.stack(evaluated.map((sum) => sums[sum]()));
    const counts = masks.map((mask) => weightedCounts(loss, mask, weights));
    beside = (["penalty", "latent"] as const)
      .filter((name) => isDetailed && output[name] !== undefined);
    return [
      ...[losses, predictions, ...output.state, ...counts],
      ...beside.map((name) => output[name]!),
    ];
  }, { mode });

  const sample = engine.compile("sample", (inputs) => {
    const { parameters, frames, resets, noise, state } = inputsOf(inputs);
    const values = splitParameters(model, parameters);
    const given = { ...seenOf(frames), noise, training: false };
    return [applyModel(model, values, resetLanes(state, resets), given).predictions];
  }, { mode });

  const update = engine.compile("update", (inputs) => {
    const [parameters, gradient, learningRate, biasCorrection, ...slots] = inputs;
    const scalars = { learningRate, biasCorrection };
    const given = averages?.gradient(gradient) ?? gradient;
    const optimized = optimizer.update(parameters, slots, given, scalars);
    const result = {
      slots: optimized.slots,
      parameters: averages?.moved(parameters, optimized.parameters, gradient) ??
        optimized.parameters,
    };
    return [magnitudeOf([result.parameters, ...result.slots]), result.parameters, ...result.slots];
  }, { mode });

  return {
    evaluated,
    errorsPerPrediction: errorsPerPrediction(loss, model.outputShape),
    async gradients(parameters, state, windows) {
      await pause();
      const [flat, ...rest] = await gradients(windowInputs(parameters, state, windows));
      return hasMissing ? { flat, counts: rest[0], state: rest.slice(1) } : { flat, state: rest };
    },
    async evaluate(parameters, state, windows) {
      await pause();
      const outputs = await evaluate(windowInputs(parameters, state, { ...windows, noise: [] }));
      const [losses, predictions] = outputs;
      const rest = outputs.slice(2 + stateCount);
      const [ofModel, ...ofPersistence] = rest.splice(0, countsOfEvaluation);
      const counts = ofModel && { model: ofModel, persistence: ofPersistence[0] };
      const named = Object.fromEntries(beside.map((name, index) => [name, rest[index]]));
      const newState = outputs.slice(2, 2 + stateCount);
      return { losses, predictions, state: newState, ...(counts && { counts }), ...named };
    },
    async sample(parameters, state, windows) {
      await pause();
      const [predictions] = await sample(windowInputs(parameters, state, windows));
      return predictions;
    },
    async update(parameters, slots, gradient, scalars) {
      await pause();
      const { learningRate, biasCorrection } = scalars;
      const [magnitude, newParameters, ...newSlots] = await update([
        parameters,
        gradient,
        learningRate,
        biasCorrection,
        ...slots,
      ]);
      return { magnitude, parameters: newParameters, slots: newSlots };
    },
    dispose() {
      for (const compiled of [gradients, evaluate, sample, update] as CompiledFunction[]) {
        compiled.dispose();
      }
    },
  };
}

/** Sum of absolute values: one number to read in place of all of them. */
function magnitudeOf(tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) return tf.scalar(0);
  return tf.addN(tensors.map((tensor) => tf.sum(tf.abs(tensor))));
}

/** A kept tensor as one that its scope owns again. */
function release(kept: Tensor): Tensor {
  const released = tf.clone(kept);
  kept.dispose();
  return released;
}

function windowInputs(
  parameters: Tensor,
  state: readonly Tensor[],
  { frames, resets, weights, targets, noise }: ShardWindows,
): Tensor[] {
  return [parameters, frames, resets, weights, ...(targets ? [targets] : []), ...noise, ...state];
}

/** What stands for a model's noise where nothing is drawn. */
export function middleNoise({ noise = [] }: Model, lanes: number): ModelInputs["noise"] {
  return noise.map(({ shape, distribution }) =>
    tf.fill([lanes, ...shape], distribution === "uniform" ? 0.5 : 0)
  );
}

/** Zero states where a lane starts a sequence; exact zeros whatever the state held. */
function resetLanes(state: readonly Tensor[], resets: Tensor): Tensor[] {
  const [lanes] = resets.shape;
  return state.map((tensor) => {
    const flags = tf.reshape(resets, [lanes, ...tensor.shape.slice(1).map(() => 1)]);
    return tf.where(tf.cast(flags, "bool"), tf.zerosLike(tensor), tensor);
  });
}

/** The flat vector as the model's named tensors. */
export function splitParameters(model: Model, flat: Tensor): Tensor[] {
  const sizes = model.parameters.map(({ shape }) => shape.reduce((size, side) => size * side, 1));
  const parts = tf.split(flat, sizes, 0);
  return parts.map((part, index) => tf.reshape(part, [...model.parameters[index].shape]));
}
