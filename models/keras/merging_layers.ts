/** Layers that make one tensor of several, and attention, which looks from one into another. */
import { type Tensor, tf } from "../../engine/tf.ts";
import { refuseMasked } from "./core_layers.ts";
import type { Layer, Port, Shape, Value } from "./layer.ts";
import type { LayerConfig, LayerKind } from "./layer_config.ts";

function merging(merge: (tensors: readonly Tensor[]) => Tensor, wanted?: number): LayerKind {
  return (config) => (inputs): Layer => {
    if (inputs.length < 2 || (wanted !== undefined && inputs.length !== wanted)) {
      throw config.refusal(
        `reads ${inputs.length} tensors`,
        wanted === undefined ? "give it two or more" : `give it ${wanted}`,
      );
    }
    checkMasks(config, inputs);
    const shape = inputs.map((input) => input.shape).reduce((one, other) => {
      const both = broadcast(one, other);
      if (both !== undefined) return both;
      throw config.refusal(
        `reads shapes ${inputs.map((input) => `[lanes, ${input.shape}]`).join(" and ")}`,
        "give it equal shapes",
      );
    });
    return {
      weights: [],
      state: [],
      outputs: [{ shape, isMasked: inputs.some(({ isMasked }) => isMasked) }],
      apply: (values) => ({
        values: [{ tensor: merge(values.map(({ tensor }) => tensor)), ...bothMasks(values) }],
        state: [],
      }),
    };
  };
}

/** The shape that holds both. They need one rank, and sides that are equal or 1. */
function broadcast(one: Shape, other: Shape): Shape | undefined {
  if (one.length !== other.length) return undefined;
  const isFitting = one.every((side, axis) =>
    side === other[axis] || side === 1 || other[axis] === 1
  );
  return isFitting ? one.map((side, axis) => Math.max(side, other[axis])) : undefined;
}

/** Keras 2 and 3 join masks of several branches in two ways, each with exceptions of its own. */
function checkMasks(config: LayerConfig, inputs: readonly Port[]): void {
  if (config.isKeras3) refuseMasked(config, inputs);
}

/** A step counts where it does in all that have a mask. */
function bothMasks(values: readonly Value[]): { mask?: Tensor } {
  const masks = values.flatMap(({ mask }) => mask ?? []);
  return masks.length === 0 ? {} : { mask: masks.reduce((one, other) => tf.mul(one, other)) };
}

const added = (tensors: readonly Tensor[]) => tensors.reduce((one, other) => tf.add(one, other));

const concatenate: LayerKind = (config) => {
  const given = config.number("axis", -1);
  return (inputs): Layer => {
    checkMasks(config, inputs);
    const rank = (inputs[0]?.shape.length ?? 0) + 1;
    const axis = given < 0 ? given + rank : given;
    const isFitting = inputs.length > 0 && axis >= 1 && axis < rank &&
      inputs.every(({ shape }) =>
        shape.length === rank - 1 &&
        shape.every((side, index) => index === axis - 1 || side === inputs[0].shape[index])
      );
    if (!isFitting) {
      throw config.refusal(
        `joins ${
          inputs.map((input) => `[lanes, ${input.shape}]`).join(" and ")
        } along axis ${given}`,
        "give it tensors that differ along that axis alone",
      );
    }
    const isMasked = inputs.some((input) => input.isMasked);
    if (axis === 1 && isMasked) refuseMasked(config, inputs);
    const sides = inputs.map(({ shape }) => shape[axis - 1]);
    const whole = sides.reduce((sum, side) => sum + side, 0);
    return {
      weights: [],
      state: [],
      outputs: [{ shape: inputs[0].shape.with(axis - 1, whole), isMasked }],
      apply: (values) => ({
        values: [{
          tensor: tf.concat(values.map(({ tensor }) => tensor), axis),
          ...bothMasks(values),
        }],
        state: [],
      }),
    };
  };
};

/** Scores of each query's step with each step of the values. */
function attention(isAdditive: boolean): LayerKind {
  return (config) => {
    const useScale = config.flag("use_scale", isAdditive);
    config.withoutDropout("dropout");
    config.only("score_mode", "dot", 'save it with score_mode="dot"');
    config.only("causal", false, "save it without causal");
    return (inputs): Layer => {
      const isFitting = (inputs.length === 2 || inputs.length === 3) &&
        inputs.every(({ shape }) => shape.length === 2) &&
        new Set([inputs[0], inputs[2] ?? inputs[1]].map(({ shape }) => shape[1])).size === 1 &&
        (inputs[2] ?? inputs[1]).shape[0] === inputs[1].shape[0];
      if (!isFitting) {
        throw config.refusal(
          `reads ${inputs.map((input) => `[lanes, ${input.shape}]`).join(" and ")}`,
          "give it a query and values, and perhaps keys, of [lanes, time, features]",
        );
      }
      const [query, values] = inputs;
      const shape = [query.shape[0], values.shape[1]];
      const features = query.shape[1];
      return {
        weights: useScale ? [config.weight("scale", isAdditive ? [features] : [])] : [],
        state: [],
        outputs: [{ shape, isMasked: query.isMasked }],
        apply([q, v, k = v], { weights: [scale] }) {
          const scores = isAdditive
            ? additiveScores(q.tensor, k.tensor, scale)
            : dotScores(q.tensor, k.tensor, scale);
          const masked = v.mask === undefined
            ? scores
            : tf.sub(scores, tf.mul(1e9, tf.sub(1, tf.expandDims(v.mask, 1))));
          const seen = tf.matMul(tf.softmax(masked, -1), v.tensor);
          if (q.mask === undefined) return { values: [{ tensor: seen }], state: [] };
          const tensor = tf.mul(seen, tf.expandDims(q.mask, -1));
          return { values: [{ tensor, mask: q.mask }], state: [] };
        },
      };
    };
  };
}

function dotScores(query: Tensor, key: Tensor, scale: Tensor | undefined): Tensor {
  const scores = tf.matMul(query, key, false, true);
  return scale === undefined ? scores : tf.mul(scores, scale);
}

function additiveScores(query: Tensor, key: Tensor, scale: Tensor | undefined): Tensor {
  const both = tf.tanh(tf.add(tf.expandDims(query, 2), tf.expandDims(key, 1)));
  return tf.sum(scale === undefined ? both : tf.mul(both, scale), -1);
}

export const mergingLayers: Readonly<Record<string, LayerKind>> = {
  Add: merging(added),
  Subtract: merging(([one, other]) => tf.sub(one, other), 2),
  Multiply: merging((tensors) => tensors.reduce((one, other) => tf.mul(one, other))),
  Average: merging((tensors) => tf.div(added(tensors), tensors.length)),
  Maximum: merging((tensors) => tensors.reduce((one, other) => tf.maximum(one, other))),
  Minimum: merging((tensors) => tensors.reduce((one, other) => tf.minimum(one, other))),
  Concatenate: concatenate,
  Attention: attention(false),
  AdditiveAttention: attention(true),
};
