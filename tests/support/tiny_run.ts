/**
 * A whole run in a few numbers, so that thousands of steps take moments and no step can go wrong
 * unseen: every frame, reset, earlier window, parameter, moment, learning rate and step number reaches
 * the final weights. A step that is lost, repeated or out of order, a lane with another's state, a
 * gradient of another step or a sum in another order changes the SHA-256.
 */
import type { AllReduce } from "../../collective/reduction.ts";
import type { Dataset, ReadRequest, Split } from "../../datasets/dataset.ts";
import { planEpoch } from "../../datasets/plan.ts";
import type { WindowShape } from "../../datasets/window_shape.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { buildSchedule } from "../../models/schedules.ts";
import { type Clock, delay } from "../../net/clock.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { fingerprint } from "../../worker/fingerprint.ts";
import type { OpenedRun, RunTrainer, ShardLoss } from "../../worker/opened_run.ts";
import { planTraining } from "../../worker/run_training.ts";
import { trainingSteps } from "../../worker/training_span.ts";
import { readWindows, type WindowBatch } from "../../worker/window_batch.ts";
import { treeSum } from "./gradients.ts";
import { type AdamSlots, adamSlots, adamUpdate, learningRates } from "./tiny_adam.ts";

/** Two epochs of 10 steps, more or less, on six lanes in six shards. */
export const tinyRun: RunConfiguration = {
  ...defaultRun,
  lanes: 6,
  shards: 6,
  windowFrames: 3,
  windowStride: null,
  epochs: 2,
  steps: null,
  seed: 7,
  workers: 3,
  snapshotSteps: 3,
  checkpointSteps: 7,
};

export interface TinyOptions {
  /** What a shard's gradient costs in the clock's time; 0 for nothing. */
  readonly shardMs?: number;
  /** Called before a shard's gradient is computed, with the step that it belongs to. */
  readonly onShard?: (step: number, shard: number) => void;
  /** Whether a lane's gradient is not a number in this step; asked once whenever it is computed. */
  readonly isNan?: IsNan;
}

export type IsNan = (step: number, lane: number) => boolean;
const never: IsNan = () => false;
/** Of a step whose gradient is not a number. */
export const nanFault = "its gradient is not finite";

const frameShape = [1, 2, 1] as const;
const frameValues = 2;
const parameterShapes = [
  { name: "kernel", shape: [2, 3] },
  { name: "bias", shape: [4] },
] as const;
const parameterCount = 10;
/** Of the gradient, the one that is not a number where a step's is not. */
const nanElement = 3;
/** The loss and the wish to stop follow the gradient. */
const reducedElements = parameterCount + 2;
const stateShapes = [{ name: "hidden", shape: [1, 2, 2] }] as const;
const stateSize = 4;
const [stateModulus, gradientModulus] = [251, 97];
/** Lanes' gradients differ in size, so that the order of additions shows in the last bits of a sum. */
const [laneScale, laneScales] = [5, 4];

const lengths: Readonly<Record<Split, readonly number[]>> = {
  train: [7, 12, 4, 9, 5, 1, 8, 11, 6, 17, 3, 14, 10, 6, 21, 9, 13, 2, 8, 19],
  validation: [6, 11, 4, 8],
  test: [5, 9, 11, 10],
};

/** Opens what the product's `openRun` opens, without an engine. */
export function openTinyRun(
  configuration: RunConfiguration,
  clock: Clock,
  { shardMs = 0, onShard = () => {}, isNan = never }: TinyOptions = {},
): OpenedRun {
  const dataset = tinyDataset();
  const window = tinyWindow(configuration);
  const lanesPerShard = configuration.lanes / configuration.shards;
  const schedule = buildSchedule(
    configuration.optimizer,
    trainingSteps(configuration, dataset, window),
  );
  return {
    report: {
      engine: "tiny",
      engineVersion: "1",
      device: "none",
      precision: configuration.precision,
      parameterCount,
      fingerprint: fingerprint(initialParameters(configuration.seed)),
      dataset: dataset.description,
      frameShape: [...frameShape],
      parameters: parameterShapes.map(({ name, shape }) => ({ name, shape: [...shape] })),
      states: stateShapes.map(({ name, shape }) => ({ name, shape: [...shape] })),
      slots: [...adamSlots],
    },
    reducedElements,
    dataset,
    window,
    learningRate: schedule,
    createTrainer(shards, allReduce) {
      const trainer = createTinyTrainer(configuration, shards, allReduce, async (step, shard) => {
        onShard(step, shard);
        if (shardMs > 0) await delay(clock, shardMs);
      });
      return {
        trainer,
        evaluate: (isGivenUp) =>
          evaluateTiny(configuration, dataset, trainer.readParameters(), shards, isGivenUp),
        samples() {
          const [frames, firstPredicted] = [3, 1];
          const truth = new Float32Array(frames * frameValues).fill(0.5);
          const predictions = new Float32Array((frames - firstPredicted) * frameValues);
          return Promise.resolve([{ label: "test/0", frames, truth, firstPredicted, predictions }]);
        },
      };
    },
    close: () => dataset.close(),
  };

  function createTinyTrainer(
    { seed }: RunConfiguration,
    shards: readonly number[],
    allReduce: AllReduce,
    compute: (step: number, shard: number) => Promise<void>,
  ): RunTrainer {
    const states = new Map<number, Float32Array>(
      shards.flatMap((shard) =>
        Array.from(
          { length: lanesPerShard },
          (_, row) => [shard * lanesPerShard + row, new Float32Array(stateSize)],
        )
      ),
    );
    let step = 0;
    let parameters = initialParameters(seed);
    let slots = noSlots();
    return {
      states: {
        readLane(lane) {
          const state = states.get(lane);
          if (!state) throw new RangeError(`Lane ${lane} belongs to another worker`);
          return state.slice();
        },
        writeLanes(lanes) {
          for (const [lane, state] of lanes) {
            if (!states.has(lane)) throw new RangeError(`Lane ${lane} belongs to another worker`);
            states.set(lane, state.slice());
          }
        },
      },
      get step() {
        return step;
      },
      slotNames: adamSlots,
      errorsPerPrediction: frameValues,
      async trainStep(next, stop) {
        const reduction = allReduce.begin(step + 1);
        for (let count = 0; count < shards.length; count++) {
          const batch = await next();
          await compute(step + 1, batch.shard);
          const values = new Float32Array(reducedElements);
          for (let row = 0; row < lanesPerShard; row++) {
            const lane = batch.shard * lanesPerShard + row;
            const state = advance(states.get(lane)!, parameters, batch, row, window);
            states.set(lane, state);
            addGradient(values, state, parameters, { batch, row, lane, window });
            if (isNan(step + 1, lane)) values[nanElement] = NaN;
          }
          values[parameterCount + 1] = stop && batch.shard === shards[0] ? 1 : 0;
          reduction.add(batch.shard, values);
        }
        const total = await reduction.total();
        step++;
        const report = { loss: total[parameterCount], stop: total[parameterCount + 1] > 0 };
        if (Number.isNaN(total[nanElement])) return { ...report, fault: nanFault, lanesReset: [] };
        const gradient = total.subarray(0, parameterCount);
        const at = { step, learningRate: schedule(step) };
        ({ parameters, slots } = adamUpdate(parameters, slots, gradient, at));
        return report;
      },
      readParameters: () => parameters.slice(),
      readSlots: () => slots.map((slot) => slot.slice()),
      restore(restoredStep, restoredParameters, [m, v]) {
        step = restoredStep;
        parameters = restoredParameters.slice();
        slots = [m.slice(), v.slice()];
      },
      dispose() {},
    };
  }
}

/** A run's whole state after a step. */
export interface TinyState {
  readonly step: number;
  /** The step's loss. */
  readonly loss: number;
  /** What was not finite, so that nothing of it was applied; empty where all was. */
  readonly fault: string;
  readonly learningRate: number;
  readonly parameters: Float32Array;
  readonly slots: AdamSlots;
  /** By lane. */
  readonly states: readonly Float32Array[];
}

/**
 * How the run ends when nothing goes wrong, computed without any worker or network.
 * @param onStep hears of step 0, where everything begins, and of every step
 */
export async function undisturbedTinyRun(
  configuration: RunConfiguration,
  onStep: (state: TinyState) => void = () => {},
  isNan: IsNan = never,
): Promise<{ step: number; parametersSha256: string }> {
  const { lanes, shards, epochs, steps, seed } = configuration;
  const [dataset, window] = [tinyDataset(), tinyWindow(configuration)];
  const rates = learningRates(
    configuration.optimizer,
    trainingSteps(configuration, dataset, window),
  );
  let parameters = initialParameters(seed);
  let slots = noSlots();
  const states = Array.from({ length: lanes }, (): Float32Array => new Float32Array(stateSize));
  let step = 0;
  const tell = (loss: number, fault: string) => {
    const learningRate = rates[step - 1] ?? 0;
    onStep({ step, loss, fault, learningRate, parameters, slots, states: [...states] });
  };
  tell(0, "");
  for (let epoch = 0; epoch < (epochs ?? Infinity); epoch++) {
    const plan = planTraining({ configuration, dataset, window }, epoch);
    for (let planStep = 0; planStep < plan.steps; planStep++) {
      if (step === steps) break;
      const sums = Array.from({ length: shards }, () => new Float32Array(reducedElements));
      for (let lane = 0; lane < lanes; lane++) {
        const source = { dataset, split: "train", epoch, plan, window, lanesPerShard: 1 } as const;
        const batch = await readWindows(source, planStep, lane, 1);
        states[lane] = advance(states[lane], parameters, batch, 0, window);
        const sum = sums[Math.floor(lane / (lanes / shards))];
        addGradient(sum, states[lane], parameters, { batch, row: 0, lane, window });
        if (isNan(step + 1, lane)) sum[nanElement] = NaN;
      }
      const total = treeSum(sums);
      step++;
      const fault = Number.isNaN(total[nanElement]) ? nanFault : "";
      if (fault === "") {
        const gradient = total.subarray(0, parameterCount);
        const at = { step, learningRate: rates[step - 1] };
        ({ parameters, slots } = adamUpdate(parameters, slots, gradient, at));
      }
      tell(total[parameterCount], fault);
    }
    if (step === steps) break;
  }
  return { step, parametersSha256: fingerprint(parameters) };
}

/** The validation loss of these parameters, the sums of the shards added in their order. */
export async function undisturbedValidation(
  configuration: RunConfiguration,
  parameters: Float32Array,
): Promise<number> {
  const shards = Array.from({ length: configuration.shards }, (_, shard) => shard);
  let [lossSum, weightSum] = [0, 0];
  for (
    const of of await evaluateTiny(configuration, tinyDataset(), parameters, shards, () => false)
  ) {
    lossSum += of.lossSum;
    weightSum += of.weightSum;
  }
  return lossSum / weightSum;
}

function tinyWindow({ windowFrames }: RunConfiguration): WindowShape {
  return {
    frames: windowFrames + 1,
    advance: windowFrames,
    predictions: windowFrames,
    carriesState: true,
  };
}

function tinyDataset(): Dataset {
  return {
    name: "tiny",
    frameShape,
    description: "A few numbers",
    unit: "nothing",
    catalogue: (split) =>
      lengths[split].map((frames, index) => ({ id: `${split}/${index}`, frames })),
    read: ({ split, epoch, sequence, offset, frames }: ReadRequest) =>
      Promise.resolve(
        Float32Array.from({ length: frames * frameValues }, (_, index) => {
          const place = offset * frameValues + index;
          return (place * place + 13 * place * (sequence + 1) + 5 * epoch + split.length) % 17;
        }),
      ),
    close() {},
  };
}

function initialParameters(seed: number): Float32Array {
  return Float32Array.from({ length: parameterCount }, (_, index) => (seed * 31 + index * 7) % 101);
}

/** The state after a lane's window: of every frame, the state before and the parameters. */
function advance(
  before: Float32Array,
  parameters: Float32Array,
  { frames, resets }: WindowBatch,
  row: number,
  window: WindowShape,
): Float32Array {
  const state = resets[row] === 1 ? new Float32Array(stateSize) : before.slice();
  // The last frame is only a target here, and the first of the next window.
  for (let frame = 0; frame < window.advance; frame++) {
    const first = (row * window.frames + frame) * frameValues;
    for (let i = 0; i < stateSize; i++) {
      const seen = frames[first + i % frameValues] + parameters[i] + state[(i + 1) % stateSize];
      state[i] = (state[i] * 31 + seen * (i + 3) + 1) % stateModulus;
    }
  }
  return state;
}

function addGradient(
  sum: Float32Array,
  state: Float32Array,
  parameters: Float32Array,
  { batch: { frames, weights }, row, lane, window }: {
    readonly batch: WindowBatch;
    readonly row: number;
    readonly lane: number;
    readonly window: WindowShape;
  },
): void {
  // Weights are divided by the step's; whether a prediction counts is what is exact about them.
  const counted = weights.subarray(row * window.predictions, (row + 1) * window.predictions)
    .filter((weight) => weight > 0).length;
  const target = frames[((row + 1) * window.frames - 1) * frameValues];
  const scale = laneScale ** (lane % laneScales) / 7;
  for (let i = 0; i < parameterCount; i++) {
    const term = state[i % stateSize] * (i + 1) + parameters[i] * (lane + 1) + 3 * counted + target;
    sum[i] += (term % gradientModulus - gradientModulus / 2) * scale;
  }
  sum[parameterCount] += state[0] * scale;
}

function noSlots(): AdamSlots {
  return [new Float32Array(parameterCount), new Float32Array(parameterCount)];
}

/** Sums over the validation split; they depend on the parameters alone, whoever owns the shards. */
async function evaluateTiny(
  { lanes, shards: shardCount }: RunConfiguration,
  dataset: Dataset,
  parameters: Float32Array,
  shards: readonly number[],
  isGivenUp: () => boolean,
): Promise<ShardLoss[]> {
  const window = { frames: 3, advance: 2, predictions: 2, carriesState: true };
  const lanesPerShard = lanes / shardCount;
  const sequences = dataset.catalogue("validation", 0);
  const plan = planEpoch({ sequences, window, lanes, seed: 0, epoch: 0, shuffle: false });
  const source = { dataset, split: "validation", epoch: 0, plan, window, lanesPerShard } as const;
  const losses: ShardLoss[] = [];
  for (const shard of shards) {
    const sum = { shard, lossSum: 0, persistenceSum: 0, weightSum: 0 };
    for (let step = 0; step < plan.steps; step++) {
      if (isGivenUp()) return [];
      const { frames, weights } = await readWindows(source, step, shard, 1);
      frames.forEach((value, index) => {
        // Thirds, so that the order of additions shows.
        sum.lossSum += (value * parameters[index % parameterCount]) % 23 / 3;
        sum.persistenceSum += value;
      });
      sum.weightSum += weights.reduce((total, weight) => total + weight, 0);
    }
    losses.push(sum);
  }
  return losses;
}
