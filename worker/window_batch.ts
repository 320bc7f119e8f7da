/**
 * Reads the windows that a plan's step gives to a shard's lanes, as typed arrays ready to become
 * tensors. Padding, in frames and in empty lanes, is zero with weight zero.
 */
import type { Dataset, Split } from "../datasets/dataset.ts";
import type { Plan } from "../datasets/plan.ts";
import type { WindowShape } from "../datasets/window_shape.ts";

export interface WindowBatch {
  readonly step: number;
  readonly shard: number;
  /** [lanes, window frames, height, width, channels]; NaN where the dataset misses values. */
  readonly frames: Float32Array;
  /** [lanes] of 0 or 1 */
  readonly resets: Float32Array;
  /** [lanes, predictions], already divided by `divisor` */
  readonly weights: Float32Array;
  /** The dataset's answers, where it has some. */
  readonly targets?: WindowTargets;
}

export interface WindowTargets {
  /** Of one frame's answer. */
  readonly shape: readonly number[];
  /** [lanes, window frames, ...shape] */
  readonly values: Float32Array;
}

export interface WindowSource {
  readonly dataset: Dataset;
  readonly split: Split;
  readonly epoch: number;
  readonly plan: Plan;
  readonly window: WindowShape;
  readonly lanesPerShard: number;
  /** Awaited before each lane's window: one that is generated is drawn the moment it is asked for. */
  readonly pause?: () => Promise<void>;
}

/** Values in an array of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** Values in a frame. */
export function frameSize(dataset: Dataset): number {
  return sizeOf(dataset.frameShape);
}

/** Whether windows of a dataset may hold NaN, for what is not known. */
export function mayMiss({ hasMissing, hasMissingTargets }: MissingFlags): boolean {
  return hasMissing === true || hasMissingTargets === true;
}

type MissingFlags = Pick<Dataset, "hasMissing" | "hasMissingTargets">;

/**
 * @param divisor what the weights are divided by: for training the step's
 *   sum(weight) * errors of a prediction over all lanes, so that shards' losses add up to the step's
 *   loss; 1 where values may be missing, because what counts is only known from what is read
 */
export async function readWindows(
  source: WindowSource,
  step: number,
  shard: number,
  divisor: number,
): Promise<WindowBatch> {
  const { dataset, split, epoch, plan, window, lanesPerShard } = source;
  const size = frameSize(dataset);
  const first = shard * lanesPerShard;
  const tasks = plan.tasks(step).slice(first, first + lanesPerShard);
  const frames = new Float32Array(lanesPerShard * window.frames * size);
  const resets = new Float32Array(lanesPerShard);
  const weights = new Float32Array(lanesPerShard * window.predictions);
  const targets = emptyTargets(dataset, lanesPerShard * window.frames);
  await Promise.all(tasks.map(async (task, lane) => {
    resets[lane] = task.reset ? 1 : 0;
    const start = lane * window.predictions;
    weights.fill(1 / divisor, start, start + task.validPredictions);
    if (task.sequence < 0) return;
    const { sequence, offset } = task;
    const request = { split, epoch, sequence, offset, frames: task.frames };
    await source.pause?.();
    const [read, answers] = await Promise.all([
      dataset.read(request),
      targets && dataset.readTargets!(request),
    ]);
    frames.set(read, lane * window.frames * size);
    if (answers) targets!.values.set(answers, lane * window.frames * sizeOf(targets!.shape));
  }));
  return { step, shard, frames, resets, weights, ...(targets && { targets }) };
}

/** Room for the answers to so many frames; undefined for a dataset without any. */
export function emptyTargets(
  { targetShape: shape }: Pick<Dataset, "targetShape">,
  frames: number,
): WindowTargets | undefined {
  return shape && { shape, values: new Float32Array(frames * sizeOf(shape)) };
}
