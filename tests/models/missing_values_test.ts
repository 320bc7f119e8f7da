/** Every network on data that miss values: what is missing is in none of its losses, and in no input. */
import assert from "node:assert/strict";
import { openEngine } from "../../engine/open_engine.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import { buildModel } from "../../models/build_model.ts";
import { applyModel, ModelError } from "../../models/check_model.ts";
import { defaultLoss, errorsPerPrediction } from "../../models/losses.ts";
import { observedTargets } from "../../models/missing_values.ts";
import type { Model, ModelInputs } from "../../models/model.ts";
import { sgd } from "../../models/optimizers/sgd.ts";
import type { Options } from "../../net/options.ts";
import { random } from "../../net/random.ts";
import type { LossName } from "../../net/run_configuration.ts";
import { createStepFunctions } from "../../worker/step_functions.ts";
import { assertClose } from "./close_to.ts";
import { smallRun } from "../worker/small_run.ts";

const LANES = 2;
const frameShape = [8, 8, 1] as const;
const sizeOf = (shape: readonly number[]) => shape.reduce((size, side) => size * side, 1);

interface Case {
  readonly name: string;
  readonly options?: Options;
  /** Classes of each frame or pixel, where the network answers with such. */
  readonly targetShape?: readonly number[];
  /** Where it cannot be told from the weights: what is said besides counts in parts. */
  readonly hasBesides?: boolean;
}

const cases: readonly Case[] = [
  { name: "convlstm" },
  { name: "encoder-forecaster" },
  { name: "shi-convlstm", options: { filters: [3], patch: 2 } },
  { name: "seq2seq-convlstm" },
  { name: "conv-autoencoder" },
  { name: "vae" },
  { name: "vae", options: { form: "convlstm" } },
  { name: "prednet", options: { filters: [2] } },
  { name: "prednet", options: { filters: [2], "upper-errors": 0.1 } },
  { name: "predrnn", options: { layers: 1, filters: 2 } },
  {
    name: "predrnn",
    options: { layers: 1, filters: 2, "loss-frames": "all", "both-ways": true },
    hasBesides: true,
  },
  { name: "convlstm-unet", options: { levels: 2, filters: 2 } },
  {
    name: "convlstm-unet",
    options: { levels: 2, filters: 2, mode: "supervised", output: "softmax" },
    targetShape: [8, 8, 3],
  },
  { name: "cnn-lstm", targetShape: [3] },
  { name: "convlstm-classifier", targetShape: [3] },
];

function modelOf({ name, options = {}, targetShape }: Case): Model {
  const known = { ...options };
  const configuration = { ...smallRun.model, name, options: known };
  return buildModel(configuration, {
    frameShape,
    targetShape,
    classes: targetShape && ["a", "b", "c"],
  }, 4);
}

/** Frames and answers, a third of them missing; of the second lane's second frame nothing is left. */
function drawn(model: Model, targetShape: readonly number[] | undefined) {
  const stream = random(5, "missing values");
  const count = model.window.frames;
  const size = sizeOf(frameShape);
  const frames = Float32Array.from({ length: LANES * count * size }, (_, i) => {
    const value = 0.1 + 0.8 * stream.uniform();
    return stream.uniform() < 1 / 3 || Math.floor(i / size) === count + 1 ? NaN : value;
  });
  if (!targetShape) return { frames };
  const classes = targetShape.at(-1)!;
  const targets = new Float32Array(LANES * count * sizeOf(targetShape));
  for (let start = 0; start < targets.length; start += classes) {
    if (stream.uniform() < 1 / 3) targets.fill(NaN, start, start + classes);
    else targets[start + stream.integer(classes)] = 1;
  }
  // The last answer of a lane is what a classifier is asked for.
  const last = (count - 1) * sizeOf(targetShape);
  if (targetShape.length === 1) {
    targets.fill(NaN, last, last + classes);
    targets.set([0, 1, 0], targets.length - classes);
  }
  return { frames, targets };
}

/** The mean over what is known, as one would write it down. */
function expectedMean(
  loss: LossName,
  output: { predictions: Float32Array; penalty?: Float32Array },
  truth: Float32Array,
  weights: Float32Array,
  classes: number,
) {
  const { predictions, penalty } = output;
  const values = truth.length / weights.length;
  let [sum, count] = [0, 0];
  weights.forEach((weight, place) => {
    let known = 0;
    for (
      let i = place * values;
      i < (place + 1) * values;
      i += loss === "cross-entropy" ? classes : 1
    ) {
      if (Number.isNaN(truth[i])) continue;
      known++;
      const [p, t] = [predictions[i], truth[i]];
      if (loss === "mse") sum += weight * (p - t) ** 2;
      else if (loss === "mae") sum += weight * Math.abs(p - t);
      else if (loss === "bce") sum -= weight * (t * Math.log(p) + (1 - t) * Math.log(1 - p));
      else {
        const shares = predictions.subarray(i, i + classes);
        const total = shares.reduce((all, share) => all + share, 0);
        sum -= weight * Math.log(shares[truth.subarray(i, i + classes).indexOf(1)] / total);
      }
    }
    count += weight * known;
    if (penalty && known > 0) sum += weight * penalty[place];
  });
  return { sum, count };
}

for (const each of cases) {
  const { name, options, targetShape, hasBesides = false } = each;
  const title = `${name}${options ? ` ${JSON.stringify(options)}` : ""}`;
  Deno.test(`${title}: what is missing is in no loss`, async () => {
    const engine = await openEngine("wasm", { threads: 1, precision: "float32" });
    try {
      const model = modelOf(each);
      const loss = model.loss ?? defaultLoss;
      const { frames, targets } = drawn(model, targetShape);
      const shape = [LANES, model.window.frames];
      const weights = new Float32Array(LANES * model.window.predictions).fill(1);
      // The last lane ends before its window does.
      weights[weights.length - 1] = model.window.predictions > 1 ? 0 : 1;
      const windows = {
        frames: tf.tensor(frames, [...shape, ...frameShape]),
        resets: tf.ones([LANES]),
        weights: tf.tensor(weights, [LANES, model.window.predictions]),
        ...(targets && { targets: tf.tensor(targets, [...shape, ...targetShape!]) }),
        noise: (model.noise ?? []).map(({ shape }) => tf.fill([LANES, ...shape], 0.25)),
      };
      const flat = tf.concat1d(model.initialize(3).map((values) => tf.tensor1d(values)));
      const state = model.state.map(({ shape }) => tf.zeros([LANES, ...shape]));
      const functions = createStepFunctions({
        ...{ engine, model, loss, optimizer: sgd(0) },
        ...{
          hasTargets: targets !== undefined,
          hasMissing: true,
          tellsClasses: targets !== undefined,
        },
      });
      const { flat: gradient, counts } = await functions.gradients(flat, state, windows);
      const found = gradient.dataSync() as Float32Array;
      assert.ok(found.every(Number.isFinite), "not finite");
      assert.ok(found.subarray(0, -2).some((value) => value !== 0), "no gradient");
      // The network as it answers to zeros, asked directly.
      const zeros = frames.map((value) => Number.isNaN(value) ? 0 : value);
      const inputs: ModelInputs = {
        frames: tf.tensor(zeros, [...shape, ...frameShape]),
        observed: tf.tensor(frames.map((value) => Number.isNaN(value) ? 0 : 1), [
          ...shape,
          ...frameShape,
        ]),
        noise: windows.noise,
        training: true,
      };
      let next = 0;
      const parameters = model.parameters.map(({ shape }) => {
        const size = sizeOf(shape);
        const part = tf.reshape(tf.slice(flat, next, size), [...shape]);
        next += size;
        return part;
      });
      const output = model.apply(parameters, state, inputs);
      const truth = model.targets(windows.frames, windows.targets).dataSync() as Float32Array;
      const classes = model.outputShape.at(-1)!;
      const valuesOf = (tensor: Tensor) => tensor.dataSync() as Float32Array;
      const own = expectedMean(
        loss,
        {
          predictions: valuesOf(output.predictions),
          penalty: output.penalty && valuesOf(output.penalty),
        },
        truth,
        weights,
        classes,
      );
      const counted = valuesOf(counts!).reduce((sum, value) => sum + value, 0);
      if (!hasBesides) {
        assert.equal(counted, own.count);
        assertClose([found[found.length - 2]], [own.sum], "loss", { relative: 1e-4 });
      } else {
        const [count, more] = [model.window.predictions, output.besides!.predictions.shape[1]!];
        const seen = valuesOf(output.besides!.observed!);
        const targets = valuesOf(output.besides!.targets).map((value, i) => seen[i] ? value : NaN);
        const mean = weights.reduce((sum, weight) => sum + weight, 0);
        assert.ok(mean > 0);
        const ofEach = Float32Array.from({ length: LANES * more }, (_, i) => {
          const lane = Math.floor(i / more);
          const all = weights.subarray(lane * count, (lane + 1) * count);
          return all.reduce((sum, weight) => sum + weight, 0) / count;
        });
        const besides = expectedMean(
          ...[
            loss,
            { predictions: valuesOf(output.besides!.predictions) },
            targets,
            ofEach,
            classes,
          ] as const,
        );
        const share = count / (count + more);
        assertClose([counted], [share * (own.count + besides.count)], "count", { relative: 1e-6 });
        const sum = share * (own.sum + besides.sum);
        assertClose([found[found.length - 2]], [sum], "loss", { relative: 1e-4 });
        // By chance as many are missing backwards as forwards, and never all.
        assert.ok(seen.some((value) => value === 0) && seen.some((value) => value === 1));
      }
      assert.ok(
        counted < weights.length * errorsPerPrediction(loss, model.outputShape),
        "all counted",
      );
      functions.dispose();
    } finally {
      engine.dispose();
    }
  });
}

Deno.test("a target of one's own counts where what it is made of was observed", async () => {
  const engine = await openEngine("wasm", { threads: 1, precision: "float32" });
  try {
    const frames = tf.tensor([0.25, NaN, NaN, 0.75, 1, 0.5], [1, 6]);
    const known = (
      targets: Model["targets"],
    ) => [...observedTargets({ targets }, frames).observed!.dataSync()];
    const part = (all: Tensor, from: number): Tensor => tf.slice(all, [0, from], [1, 5]);
    assert.deepEqual(known((all) => all), [1, 0, 0, 1, 1, 1]);
    assert.deepEqual(known((all) => tf.sub(part(all, 1), part(all, 0))), [0, 0, 0, 1, 1]);
    assert.deepEqual(known((all) => tf.cast(tf.greater(all, 0.5), "float32")), [1, 0, 0, 1, 1, 1]);
    assert.deepEqual(known((all) => tf.mean(tf.reshape(all, [3, 2]), 1)), [0, 0, 1]);
    const { values } = observedTargets({ targets: (all) => tf.mul(all, 2) }, frames);
    assert.ok((values.dataSync() as Float32Array).every(Number.isFinite));
  } finally {
    engine.dispose();
  }
});

Deno.test("a network that says things besides has to say which of them were observed", async () => {
  const engine = await openEngine("wasm", { threads: 1, precision: "float32" });
  try {
    const model = modelOf({
      name: "predrnn",
      options: { layers: 1, filters: 2, "loss-frames": "all" },
    });
    const forgetful: Model = {
      ...model,
      apply(...given) {
        const { besides, ...output } = model.apply(...given);
        const { predictions, targets } = besides!;
        return { ...output, besides: { predictions, targets } };
      },
    };
    const frames = tf.zeros([LANES, model.window.frames, ...frameShape]);
    const parameters = model.initialize(3).map((values, index) =>
      tf.tensor(values, [...model.parameters[index].shape])
    );
    const inputs = { frames, noise: [], training: true };
    assert.ok(applyModel(forgetful, parameters, [], inputs).besides);
    assert.throws(
      () => applyModel(forgetful, parameters, [], { ...inputs, observed: tf.onesLike(frames) }),
      (error) => error instanceof ModelError && /no `observed`/.test(error.message),
    );
  } finally {
    engine.dispose();
  }
});
