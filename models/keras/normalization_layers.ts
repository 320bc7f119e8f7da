/** Layers that bring what they read to a mean of 0 and a variance of 1. */
import { type Tensor, tf } from "../../engine/tf.ts";
import { refuseMasked } from "./core_layers.ts";
import { type Layer, type Port, type Shape, weightedLayer } from "./layer.ts";
import type { LayerConfig, LayerKind } from "./layer_config.ts";

/** Axes of a tensor with lanes, in the order of the file, which is that of the weights' axes. */
function readAxes(config: LayerConfig, value: unknown, shape: Shape): number[] {
  const rank = shape.length + 1;
  const given = Array.isArray(value) ? value : [value];
  const axes = given.map((axis) => typeof axis === "number" && axis < 0 ? axis + rank : axis);
  const isRight = axes.length > 0 && new Set(axes).size === axes.length &&
    axes.every((axis) => Number.isSafeInteger(axis) && axis >= 1 && axis < rank);
  if (isRight) return axes;
  throw config.refusal(
    `has axis ${JSON.stringify(value)} for [lanes, ${shape}]`,
    "save it with axes of those, not of the lanes",
  );
}

/** gamma and beta, where the layer has them. */
function readScale(config: LayerConfig) {
  const [scale, center] = [config.flag("scale", true), config.flag("center", true)];
  return {
    weights: (shape: Shape) => [
      ...(scale ? [config.weight("gamma", shape)] : []),
      ...(center ? [config.weight("beta", shape)] : []),
    ],
    /** @param shape to which the weights are brought */
    apply(normal: Tensor, weights: readonly Tensor[], shape: Shape): Tensor {
      const gamma = scale ? tf.reshape(weights[0], [...shape]) : undefined;
      const beta = center ? tf.reshape(weights[scale ? 1 : 0], [...shape]) : undefined;
      const scaled = gamma === undefined ? normal : tf.mul(normal, gamma);
      return beta === undefined ? scaled : tf.add(scaled, beta);
    },
  };
}

function normalized(x: Tensor, axes: number[], epsilon: number): Tensor {
  const mean = tf.mean(x, axes, true);
  const centred = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centred), axes, true);
  return tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon)));
}

const layerNormalization: LayerKind = (config) => {
  const axis = config.take("axis") ?? -1;
  const epsilon = config.number("epsilon", 1e-3);
  const scale = readScale(config);
  config.only("rms_scaling", false, "save it without rms_scaling");
  return (inputs) => {
    const port = onlyPort(config, inputs);
    const axes = readAxes(config, axis, port.shape);
    const sides = axes.map((each) => port.shape[each - 1]);
    const whole = [1, ...port.shape.map((side, index) => axes.includes(index + 1) ? side : 1)];
    return weightedLayer(
      scale.weights(sides),
      port,
      (x, weights) => scale.apply(normalized(x, axes, epsilon), weights, whole),
    );
  };
};

const groupNormalization: LayerKind = (config) => {
  const given = config.number("groups", 32);
  const epsilon = config.number("epsilon", 1e-3);
  const scale = readScale(config);
  const axis = config.take("axis") ?? -1;
  return (inputs) => {
    const port = onlyPort(config, inputs);
    refuseMasked(config, inputs);
    const [last, ...rest] = readAxes(config, axis, port.shape);
    const channels = port.shape.at(-1)!;
    const groups = given === -1 ? channels : given;
    if (rest.length > 0 || last !== port.shape.length || channels % groups !== 0) {
      throw config.refusal(
        `has axis ${JSON.stringify(axis)} and ${given} groups for [lanes, ${port.shape}]`,
        "save it with axis=-1, and groups that divide the channels",
      );
    }
    const split = [...port.shape.slice(0, -1), groups, channels / groups];
    const axes = [...port.shape.slice(0, -1).map((_, index) => index + 1), split.length];
    const whole = [...split.map(() => 1).slice(0, -1), groups, channels / groups];
    return weightedLayer(scale.weights([channels]), port, (x, weights) => {
      const grouped = tf.reshape(x, [x.shape[0], ...split]);
      const normal = normalized(grouped, axes, epsilon);
      return tf.reshape(scale.apply(normal, weights, whole), x.shape);
    });
  };
};

const unitNormalization: LayerKind = (config) => {
  const axis = config.take("axis") ?? -1;
  return (inputs) => {
    const port = onlyPort(config, inputs);
    const axes = readAxes(config, axis, port.shape);
    return weightedLayer([], port, (x) => {
      const squares = tf.sum(tf.square(x), axes, true);
      return tf.mul(x, tf.rsqrt(tf.maximum(squares, 1e-12)));
    });
  };
};

/**
 * Frozen, it computes with the moving averages that were saved, as in inference. Trained, with the
 * statistics of the lanes that are computed together, a shard (ghost batch normalization): they do not
 * depend on the number of workers. Rows that count for nothing are left out of them. Where Keras 2
 * computes by TensorFlow's fused kernel, the moving variance follows the unbiased one.
 */
const batchNormalization: LayerKind = (config) => {
  const axis = config.take("axis") ?? -1;
  const given = config.number("epsilon", 1e-3);
  const momentum = config.number("momentum", 0.99);
  const scale = readScale(config);
  config.only("renorm", false, "save it with renorm=False");
  config.only("virtual_batch_size", null, "save it without virtual_batch_size");
  // Statistics of a shard are what every device computes, and `fused` is how.
  for (const name of ["synchronized", "fused", "renorm_clipping", "renorm_momentum"]) {
    config.take(name);
  }
  const { isTrained } = config;
  return (inputs): Layer => {
    const port = onlyPort(config, inputs);
    if (isTrained) refuseMasked(config, inputs);
    const axes = readAxes(config, axis, port.shape);
    const sides = axes.map((each) => port.shape[each - 1]);
    const whole = [1, ...port.shape.map((side, index) => axes.includes(index + 1) ? side : 1)];
    const isFused = !config.isKeras3 && axes.length === 1 &&
      (whole.length === 4 || whole.length === 5) &&
      (axes[0] === 1 || axes[0] === whole.length - 1);
    const epsilon = isFused ? Math.max(given, fusedEpsilonMin) : given;
    const others = whole.flatMap((_, index) => axes.includes(index) ? [] : [index]);
    const own = scale.weights(sides);
    const average = (name: string) => ({
      ...config.weight(name, sides),
      isTrained: false,
      ...(isTrained ? { momentum } : {}),
    });
    return {
      weights: [...own, average("moving_mean"), average("moving_variance")],
      state: [],
      outputs: [port],
      apply([{ tensor: x, mask }], { weights, training, counts }) {
        const isBatch = isTrained && training;
        const moments = isBatch ? momentsOf(x, others, counts) : undefined;
        const [mean, variance] = moments
          ? [moments.mean, moments.variance]
          : weights.slice(own.length).map((each) => tf.reshape(each, whole));
        const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, epsilon)));
        const tensor = scale.apply(normal, weights, whole);
        return {
          values: [{ tensor, ...(port.isMasked ? { mask } : {}) }],
          state: [],
          ...(moments && {
            statistics: [mean, isFused ? unbiased(moments) : variance]
              .map((each) => tf.reshape(each, sides)),
          }),
        };
      },
    };
  };
};

/** TensorFlow's fused kernel takes no smaller one. */
const fusedEpsilonMin = 1.001e-5;

interface Moments {
  readonly mean: Tensor;
  /** The biased one. */
  readonly variance: Tensor;
  /** Values that they are of: a number, or a scalar. */
  readonly count: number | Tensor;
}

/** Along axes, of the rows that count. */
function momentsOf(x: Tensor, axes: number[], counts: Tensor | undefined): Moments {
  const size = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
  if (counts === undefined) {
    const mean = tf.mean(x, axes, true);
    return { mean, variance: tf.mean(tf.square(tf.sub(x, mean)), axes, true), count: size };
  }
  const rows = rowsOf(x, axes, counts);
  const count = tf.mul(tf.sum(rows), size / rows.size);
  // Where nothing counts, the shares are 0 and not 0 / 0.
  const divided = tf.div(rows, tf.maximum(count, 1));
  const shares = tf.reshape(divided, [...rows.shape, ...Array(x.rank - rows.rank).fill(1)]);
  const meanOf = (values: Tensor) => tf.sum(tf.mul(values, shares), axes, true);
  const mean = meanOf(x);
  return { mean, variance: meanOf(tf.square(tf.sub(x, mean))), count };
}

/** Which rows count, or which steps of each where the tensor has these. */
function rowsOf(x: Tensor, axes: readonly number[], counts: Tensor): Tensor {
  const isSteps = counts.rank === 2 && x.rank > 2 && x.shape[1] === counts.shape[1] &&
    axes.includes(1);
  return counts.rank === 1 || isSteps ? counts : tf.max(counts, 1);
}

function unbiased({ variance, count }: Moments): Tensor {
  return tf.mul(variance, tf.div(count, tf.maximum(tf.sub(count, 1), 1)));
}

function onlyPort(config: LayerConfig, inputs: readonly Port[]): Port {
  if (inputs.length === 1) return inputs[0];
  throw config.refusal(`reads ${inputs.length} tensors`, "give it one");
}

export const normalizationLayers: Readonly<Record<string, LayerKind>> = {
  LayerNormalization: layerNormalization,
  GroupNormalization: groupNormalization,
  UnitNormalization: unitNormalization,
  BatchNormalization: batchNormalization,
};
