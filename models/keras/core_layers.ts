/** Dense layers, layers that shape or mask what they read, and layers that are one activation. */
import { type Tensor, tf } from "../../engine/tf.ts";
import { elu, findActivation } from "./activations.ts";
import { type Layer, plainLayer, sizeOf, weightedLayer } from "./layer.ts";
import type { LayerConfig, LayerKind } from "./layer_config.ts";

const dense: LayerKind = (config) => {
  const units = config.count("units");
  const activation = config.activation("activation");
  const useBias = config.flag("use_bias", true);
  return (inputs) => {
    const { shape, isMasked } = only(config, inputs);
    const features = shape.at(-1)!;
    const weights = [
      config.weight("kernel", [features, units]),
      ...(useBias ? [config.weight("bias", [units])] : []),
    ];
    const output = { shape: [...shape.slice(0, -1), units], isMasked };
    const isSoftmax = activation.name === "softmax";
    return weightedLayer(weights, output, (x, [kernel, bias]) => {
      if (activation.fused) return product(x, kernel, bias, activation.fused);
      const y = product(x, kernel);
      return activation.apply(useBias ? addBias(y, bias) : y);
    }, isSoftmax);
  };
};

/** x times a matrix along x's last axis. */
export function product(
  x: Tensor,
  kernel: Tensor,
  bias?: Tensor,
  activation?: "linear" | "relu" | "elu",
): Tensor {
  const rows = x.rank === 2 ? x : tf.reshape(x, [-1, x.shape.at(-1)!]);
  const own = { a: rows as tf.Tensor2D, b: kernel as tf.Tensor2D };
  const y = tf.fused.matMul({ ...own, ...(bias ? { bias } : {}), activation });
  return x.rank === 2 ? y : tf.reshape(y, [...x.shape.slice(0, -1), kernel.shape[1]!]);
}

/** Along the last axis. */
export function addBias(x: Tensor, bias: Tensor): Tensor {
  return tf.add(x, tf.reshape(bias, [...Array(x.rank - 1).fill(1), bias.size]));
}

const flatten: LayerKind = (config) => {
  const format = config.choice("data_format", ["channels_last", "channels_first"], "channels_last");
  return (inputs) => {
    const { shape } = only(config, inputs);
    const isTurned = format === "channels_first" && shape.length > 1;
    const order = [0, ...shape.slice(1).map((_, index) => index + 2), 1];
    return plainLayer(
      unmasked([sizeOf(shape)]),
      (x) => tf.reshape(isTurned ? tf.transpose(x, order) : x, [-1, sizeOf(shape)]),
    );
  };
};

const reshape: LayerKind = (config) => {
  const target = config.take("target_shape");
  const isShape = Array.isArray(target) && target.every(Number.isSafeInteger) &&
    target.filter((side) => side < 0).length <= 1;
  if (!isShape) {
    throw config.refusal(
      `has target_shape ${JSON.stringify(target)}`,
      "save it with whole numbers, of which at most one is -1",
    );
  }
  return (inputs) => {
    const { shape } = only(config, inputs);
    const rest = sizeOf((target as number[]).filter((side) => side >= 0));
    const whole = (target as number[]).map((side) => side < 0 ? sizeOf(shape) / rest : side);
    if (sizeOf(whole) !== sizeOf(shape) || !whole.every(Number.isSafeInteger)) {
      throw config.refusal(
        `turns [lanes, ${shape}] into [lanes, ${target}]`,
        "save it with as many numbers on both sides",
      );
    }
    return plainLayer(unmasked(whole), (x) => tf.reshape(x, [x.shape[0], ...whole]));
  };
};

const permute: LayerKind = (config) => {
  const dims = config.take("dims");
  return (inputs) => {
    const { shape } = only(config, inputs);
    const places = shape.map((_, index) => index + 1);
    const isOrder = Array.isArray(dims) && dims.length === shape.length &&
      places.every((place) => dims.includes(place));
    if (!isOrder) {
      throw config.refusal(
        `has dims ${JSON.stringify(dims)} for [lanes, ${shape}]`,
        `save it with an order of ${places}`,
      );
    }
    return plainLayer(
      unmasked(dims.map((place: number) => shape[place - 1])),
      (x) => tf.transpose(x, [0, ...dims]),
    );
  };
};

const repeatVector: LayerKind = (config) => {
  const times = config.count("n");
  return (inputs) => {
    const shape = config.checkRank(inputs, 1, "features");
    return plainLayer(unmasked([times, ...shape]), (x) => tf.stack(Array(times).fill(x), 1));
  };
};

const masking: LayerKind = (config) => {
  const value = config.number("mask_value", 0);
  return (inputs): Layer => {
    const shape = config.checkRank(
      inputs,
      2,
      "time, features]: a mask of frames with places of their own is not computed here; reshape to " +
        "[lanes, time, features",
    );
    return {
      weights: [],
      state: [],
      outputs: [{ shape, isMasked: true }],
      apply([{ tensor }]) {
        // A comparison has no gradient, which is not the same as one of 0 to the tape.
        const mask = tf.customGrad((x) => ({
          value: tf.cast(tf.any(tf.notEqual(x as Tensor, value), -1), "float32"),
          gradFunc: () => tf.zeros([...tensor.shape]),
        }))(tensor);
        const masked = tf.mul(tensor, tf.expandDims(mask, -1));
        return { values: [{ tensor: masked, mask }], state: [] };
      },
    };
  };
};

/**
 * In training each number, or each channel, is 0 by chance. The chances are the run's: drawn for each
 * step and lane, so that they are the same on any number of workers.
 * @param isWhole a channel is left out as a whole
 */
function dropout(isWhole: boolean): LayerKind {
  return (config) => {
    const rate = config.number("rate");
    if (!(rate >= 0 && rate < 1)) {
      throw config.refusal(`has rate ${rate}`, "save it with a rate from 0 to below 1");
    }
    config.only("noise_shape", null, "save it with noise_shape=None");
    const formats = ["channels_last", "channels_first"] as const;
    const isFirst = config.choice("data_format", formats, "channels_last") === "channels_first";
    return (inputs): Layer => {
      const port = only(config, inputs);
      const { shape } = port;
      if (rate === 0) return plainLayer(port, (x) => x);
      const channels = isFirst ? 0 : shape.length - 1;
      const noise = isWhole ? shape.map((side, axis) => axis === channels ? side : 1) : shape;
      return {
        weights: [],
        state: [],
        outputs: [port],
        noise: [noise],
        apply([{ tensor, mask }], { training, noise }) {
          const masked = port.isMasked ? { mask } : {};
          if (!training) return { values: [{ tensor, ...masked }], state: [] };
          const isKept = tf.cast(tf.greaterEqual(noise![0], rate), "float32");
          const kept = tf.mul(tensor, tf.div(isKept, 1 - rate));
          return { values: [{ tensor: kept, ...masked }], state: [] };
        },
      };
    };
  };
}

/** What is refused where it would draw. */
const drawing: LayerKind = (config) => {
  config.withoutDropout("rate");
  return same(config);
};

const gaussianNoise: LayerKind = (config) => {
  config.withoutDropout("stddev");
  return same(config);
};

/** Keras 2 ends a mask there. */
const identity: LayerKind = (config) => (inputs) => {
  const { shape, isMasked } = only(config, inputs);
  return plainLayer({ shape, isMasked: isMasked && config.isKeras3 }, (x) => x);
};

function same(config: LayerConfig, compute = (x: Tensor) => x) {
  return (inputs: Parameters<ReturnType<LayerKind>>[0]) =>
    plainLayer(only(config, inputs), compute);
}

const rescaling: LayerKind = (config) => {
  const [scale, offset] = [config.number("scale"), config.number("offset", 0)];
  return (inputs) => {
    const { shape, isMasked } = only(config, inputs);
    const output = { shape, isMasked: isMasked && config.isKeras3 };
    return plainLayer(output, (x) => tf.add(tf.mul(x, scale), offset));
  };
};

const activation: LayerKind = (config) => {
  const found = config.activation("activation");
  return (inputs) => plainLayer(only(config, inputs), found.apply, found.name === "softmax");
};

const relu: LayerKind = (config) => {
  const top = config.take("max_value") === undefined ? undefined : config.number("max_value");
  const slope = config.number("negative_slope", 0);
  const threshold = config.number("threshold", 0);
  return same(config, (x) => {
    const above = threshold === 0 ? tf.relu(x) : tf.mul(x, tf.step(tf.sub(x, threshold)));
    const clipped = top === undefined ? above : tf.clipByValue(above, 0, top);
    if (slope === 0) return clipped;
    const below = tf.relu(threshold === 0 ? tf.neg(x) : tf.sub(threshold, x));
    return tf.sub(clipped, tf.mul(slope, below));
  });
};

const leakyReLU: LayerKind = (config) => {
  const slope = config.number("negative_slope", config.number("alpha", 0.3));
  return same(config, (x) => tf.leakyRelu(x, slope));
};

const eluLayer: LayerKind = (config) => {
  const alpha = config.number("alpha", 1);
  return same(config, (x) => elu(x, alpha));
};

const thresholdedReLU: LayerKind = (config) => {
  const theta = config.number("theta", 1);
  return same(config, (x) => tf.mul(x, tf.step(tf.sub(x, theta))));
};

const prelu: LayerKind = (config) => {
  const shared = config.take("shared_axes") ?? [];
  return (inputs) => {
    const port = only(config, inputs);
    const alpha = port.shape.map((side, index) =>
      Array.isArray(shared) && shared.includes(index + 1) ? 1 : side
    );
    return weightedLayer(
      [config.weight("alpha", alpha)],
      port,
      (x, [slopes]) => tf.sub(tf.relu(x), tf.mul(slopes, tf.relu(tf.neg(x)))),
    );
  };
};

const softmax: LayerKind = (config) => {
  const given = config.take("axis") ?? -1;
  const apply = findActivation("softmax", config.isKeras3)!.apply;
  return (inputs) => {
    const port = only(config, inputs);
    refuseMasked(config, inputs);
    const rank = port.shape.length + 1;
    const axis = typeof given === "number" && given < 0 ? given + rank : given;
    if (typeof axis !== "number" || !(axis >= 1 && axis < rank)) {
      throw config.refusal(
        `has axis ${JSON.stringify(given)} for [lanes, ${port.shape}]`,
        "save it with one axis of those",
      );
    }
    if (axis === rank - 1) return plainLayer(port, apply, true);
    return plainLayer(port, (x) => {
      const order = x.shape.map((_, index) => index);
      [order[axis], order[rank - 1]] = [order[rank - 1], order[axis]];
      return tf.transpose(apply(tf.transpose(x, order)), order);
    });
  };
};

type Inputs = Parameters<ReturnType<LayerKind>>[0];

function only(config: LayerConfig, inputs: Inputs) {
  if (inputs.length === 1) return inputs[0];
  throw config.refusal(`reads ${inputs.length} tensors`, "give it one");
}

const unmasked = (shape: readonly number[]) => ({ shape, isMasked: false });

/** For what Keras computes with a mask otherwise than without. */
export function refuseMasked(config: LayerConfig, inputs: Inputs): void {
  if (!inputs.some(({ isMasked }) => isMasked)) return;
  throw config.refusal(
    "reads masked time steps, which it does not compute here as Keras does",
    "leave out the Masking layer, or put this layer where its mask does not reach",
  );
}

export const coreLayers: Readonly<Record<string, LayerKind>> = {
  Dense: dense,
  Flatten: flatten,
  Reshape: reshape,
  Permute: permute,
  RepeatVector: repeatVector,
  Masking: masking,
  Dropout: dropout(false),
  SpatialDropout1D: dropout(true),
  SpatialDropout2D: dropout(true),
  SpatialDropout3D: dropout(true),
  AlphaDropout: drawing,
  GaussianDropout: drawing,
  GaussianNoise: gaussianNoise,
  Identity: identity,
  Rescaling: rescaling,
  Activation: activation,
  ReLU: relu,
  LeakyReLU: leakyReLU,
  ELU: eluLayer,
  ThresholdedReLU: thresholdedReLU,
  PReLU: prelu,
  Softmax: softmax,
};
