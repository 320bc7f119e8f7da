/**
 * A model and a dataset with everything that frames to frames has not: answers that are classes,
 * noise of both distributions, a penalty, and a state that remembers what was drawn.
 */
import type { Dataset } from "../../datasets/dataset.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Model } from "../../models/model.ts";
import { random } from "../../net/random.ts";
import { noiseDataset } from "./small_run.ts";

export const classes = ["dark", "grey", "bright"] as const;
const windowFrames = 3;

/** Random frames, each with the class of its first pixel's brightness. */
export function classDataset(): Dataset {
  const frames = noiseDataset();
  const [height, width, channels] = frames.frameShape;
  return {
    ...frames,
    targetShape: [classes.length],
    classes,
    async readTargets(request) {
      const values = await frames.read(request);
      const answers = new Float32Array(request.frames * classes.length);
      for (let frame = 0; frame < request.frames; frame++) {
        const brightness = values[frame * height * width * channels];
        answers[frame * classes.length + Math.floor(brightness * classes.length)] = 1;
      }
      return answers;
    },
  };
}

/** Every frame of a window is classified. */
export function noisyClassifier(): Model {
  const { frameShape } = noiseDataset();
  const size = frameShape.reduce((product, side) => product * side, 1);
  const parameters = [
    { name: "kernel", shape: [size, classes.length] },
    { name: "bias", shape: [classes.length] },
  ];
  const row = ([lanes]: readonly number[]) => [lanes * windowFrames, size];
  return {
    name: "noisy-classifier",
    frameShape,
    outputShape: [classes.length],
    parameters,
    state: [{ name: "memory", shape: [classes.length] }],
    noise: [
      { name: "dropout", shape: [windowFrames, size], distribution: "uniform" },
      { name: "sampling", shape: [classes.length], distribution: "normal" },
    ],
    window: {
      frames: windowFrames,
      advance: windowFrames,
      predictions: windowFrames,
      carriesState: true,
    },
    loss: "cross-entropy",
    initialize: (seed) =>
      parameters.map(({ name, shape }) => {
        const stream = random(seed, name);
        const length = shape.reduce((product, side) => product * side, 1);
        return Float32Array.from({ length }, () => stream.normal() / 4);
      }),
    apply([kernel, bias], [memory], { frames, noise: [dropout, sampling], training }) {
      const shape = frames.shape;
      let inputs = tf.reshape(frames, row(shape));
      if (training) {
        inputs = tf.mul(inputs, tf.cast(tf.less(tf.reshape(dropout, row(shape)), 0.8), "float32"));
      }
      const logits = tf.reshape(
        tf.add(tf.matMul(inputs as tf.Tensor2D, kernel as tf.Tensor2D), bias),
        [shape[0], windowFrames, classes.length],
      );
      const remembered = tf.add(memory, tf.mul(sampling, 0.1));
      // TensorFlow's own softmax has other last bits in a recorded function than op by op.
      const odds = tf.exp(tf.add(logits, tf.expandDims(remembered, 1)));
      const predictions = tf.div(odds, tf.sum(odds, -1, true));
      const penalty: Tensor = tf.mul(tf.sum(tf.square(logits), -1), 0.01);
      return { predictions, penalty, state: [tf.add(remembered, tf.mean(logits, 1))] };
    },
    targets: (_, given) => given!,
  };
}
