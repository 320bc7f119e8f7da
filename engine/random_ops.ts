/**
 * TensorFlow.js draws random numbers in JavaScript, so a trace would freeze them: every call of the
 * traced function would see the same ones. While a function is traced, these ops record
 * TensorFlow's own random ops instead, which draw anew at every call.
 *
 * With a seed, an op of TensorFlow.js is a pure function: the same numbers at each call. So it stays
 * when traced; its numbers become a constant, the same as they are op by op.
 */
import * as core from "./tfjs.ts";

type Shape<R extends core.Rank> = core.ShapeMap[R];
type Seed = number | string;

/** Records random ops of a trace. Shapes are those of the result. */
export interface RandomRecorder {
  /** Uniform in [0, 1). */
  uniform(shape: readonly number[]): core.Tensor;
  standardNormal(shape: readonly number[]): core.Tensor;
  /** Standard normal, drawn again where it lies beyond two standard deviations. */
  truncatedNormal(shape: readonly number[]): core.Tensor;
  /** Runs an op that draws in JavaScript from a fixed seed, which may become a constant. */
  constant<T>(draw: () => T): T;
}

let recorder: RandomRecorder | undefined;

/** The engine calls it when a trace begins, and with undefined when it ends. */
export function setRandomRecorder(active: RandomRecorder | undefined): void {
  recorder = active;
}

/** As `tf.randomUniform` of TensorFlow.js; a traced call without a seed draws anew each time. */
export function randomUniform<R extends core.Rank>(
  shape: Shape<R>,
  minval = 0,
  maxval = 1,
  dtype: "float32" | "int32" | "bool" = "float32",
  seed?: Seed,
): core.Tensor<R> {
  return draw(
    seed,
    () => core.randomUniform(shape, minval, maxval, dtype, seed),
    (native) => asType(scale(native.uniform(shape), maxval - minval, minval), dtype),
  );
}

/** As `tf.randomUniformInt` of TensorFlow.js; a traced call without a seed draws anew each time. */
export function randomUniformInt<R extends core.Rank>(
  shape: Shape<R>,
  minval: number,
  maxval: number,
  seed?: Seed,
): core.Tensor<R> {
  return randomUniform(shape, minval, maxval, "int32", seed);
}

/** As `tf.randomNormal` of TensorFlow.js; a traced call without a seed draws anew each time. */
export function randomNormal<R extends core.Rank>(
  shape: Shape<R>,
  mean = 0,
  stdDev = 1,
  dtype: "float32" | "int32" = "float32",
  seed?: number,
): core.Tensor<R> {
  return draw(
    seed,
    () => core.randomNormal(shape, mean, stdDev, dtype, seed),
    (native) => asType(scale(native.standardNormal(shape), stdDev, mean), dtype),
  );
}

/** As `tf.randomStandardNormal` of TensorFlow.js; see `randomNormal`. */
export function randomStandardNormal<R extends core.Rank>(
  shape: Shape<R>,
  dtype: "float32" | "int32" = "float32",
  seed?: number,
): core.Tensor<R> {
  return randomNormal(shape, 0, 1, dtype, seed);
}

/** As `tf.truncatedNormal` of TensorFlow.js; a traced call without a seed draws anew each time. */
export function truncatedNormal<R extends core.Rank>(
  shape: Shape<R>,
  mean = 0,
  stdDev = 1,
  dtype: "float32" | "int32" = "float32",
  seed?: number,
): core.Tensor<R> {
  return draw(
    seed,
    () => core.truncatedNormal(shape, mean, stdDev, dtype, seed),
    (native) => asType(scale(native.truncatedNormal(shape), stdDev, mean), dtype),
  );
}

/**
 * As `tf.dropout` of TensorFlow.js; a traced call without a seed drops other elements each time.
 * @throws {RangeError} unless 0 <= rate < 1
 */
export function dropout<T extends core.Tensor>(
  x: T,
  rate: number,
  noiseShape?: number[],
  seed?: Seed,
): T {
  if (recorder === undefined || rate === 0) return core.dropout(x, rate, noiseShape, seed) as T;
  if (!(rate > 0 && rate < 1)) {
    throw new RangeError(`Cannot drop out at rate ${rate}: it must be at least 0 and below 1`);
  }
  const keep = 1 - rate;
  // A dimension that the noise shape leaves open (null) is as long as x's own.
  const shape = noiseShape?.length === x.rank
    ? noiseShape.map((size, axis) => size ?? x.shape[axis])
    : noiseShape ?? x.shape;
  return core.tidy(() => {
    const kept = core.floor(core.add(randomUniform(shape, 0, 1, "float32", seed), keep));
    return core.mul(x, core.div(kept, keep));
  });
}

/** TensorFlow.js takes a seed of 0, like none, to mean a new one each time. */
function draw<R extends core.Rank>(
  seed: Seed | undefined,
  inJavaScript: () => core.Tensor<R>,
  inTensorFlow: (recorder: RandomRecorder) => core.Tensor,
): core.Tensor<R> {
  if (recorder === undefined) return inJavaScript();
  if (seed) return recorder.constant(inJavaScript);
  const native = recorder;
  return core.tidy(() => inTensorFlow(native) as core.Tensor<R>);
}

function scale(x: core.Tensor, factor: number, offset: number): core.Tensor {
  const scaled = factor === 1 ? x : core.mul(x, factor);
  return offset === 0 ? scaled : core.add(scaled, offset);
}

/** TensorFlow.js stores the drawn float into the dtype's array, which cuts off its fraction. */
function asType(x: core.Tensor, dtype: "float32" | "int32" | "bool"): core.Tensor {
  if (dtype === "float32") return x;
  const whole = core.cast(x, "int32");
  return dtype === "int32" ? whole : core.cast(whole, dtype);
}
