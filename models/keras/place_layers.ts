/** Layers that pool, pad, cut and enlarge along time, rows and columns, and have no weights. */
import { type Tensor, tf } from "../../engine/tf.ts";
import {
  channelsFirst,
  channelsLast,
  convolvedSize,
  ordered,
  type Padding,
  placeOf,
} from "./convolution_geometry.ts";
import { refuseMasked } from "./core_layers.ts";
import { type Layer, plainLayer } from "./layer.ts";
import type { LayerConfig, LayerKind } from "./layer_config.ts";

type Rank = 1 | 2 | 3;
type Kind = "max" | "average";

function readFormat(config: LayerConfig): boolean {
  const formats = ["channels_last", "channels_first"] as const;
  return config.choice("data_format", formats, "channels_last") === "channels_first";
}

function pooling(rank: Rank, kind: Kind): LayerKind {
  return (config) => {
    const sizes = config.counts("pool_size", rank, 2);
    const strides = config.take("strides") === undefined ? sizes : config.counts("strides", rank);
    const padding = config.choice("padding", ["same", "valid"] as const, "valid");
    const isChannelsFirst = readFormat(config);
    return (inputs) => {
      const { place, channels } = placeOf(config, inputs, rank, isChannelsFirst);
      const answer = place.map((side, axis) =>
        convolvedSize(config, side, sizes[axis], strides[axis], padding)
      );
      const output = ordered([...answer, channels], isChannelsFirst);
      return plainLayer({ shape: output, isMasked: false }, (input) => {
        const x = isChannelsFirst ? channelsLast(input) : input;
        const y = pooled(x, kind, sizes, strides, padding);
        return isChannelsFirst ? channelsFirst(y) : y;
      });
    };
  };
}

function pooled(
  x: Tensor,
  kind: Kind,
  sizes: readonly number[],
  strides: readonly number[],
  padding: Padding,
): Tensor {
  if (x.rank === 3) {
    const y = pooled(tf.expandDims(x, 1), kind, [1, sizes[0]], [1, strides[0]], padding);
    return tf.squeeze(y, [1]);
  }
  if (x.rank === 4) {
    const pool = kind === "max" ? tf.maxPool : tf.avgPool;
    const [size, stride] = [sizes, strides] as unknown as [number, number][];
    return pool(x as tf.Tensor4D, size, stride, padding);
  }
  const pool = kind === "max" ? tf.maxPool3d : tf.avgPool3d;
  const [size, stride] = [sizes, strides] as unknown as [number, number, number][];
  return pool(x as tf.Tensor5D, size, stride, padding);
}

function globalPooling(rank: Rank, kind: Kind): LayerKind {
  return (config) => {
    const keepDims = config.flag("keepdims");
    const isChannelsFirst = readFormat(config);
    const pool = kind === "max" ? tf.max : tf.mean;
    return (inputs): Layer => {
      const { place, channels } = placeOf(config, inputs, rank, isChannelsFirst);
      const ones = place.map(() => 1);
      const shape = keepDims ? ordered([...ones, channels], isChannelsFirst) : [channels];
      const axes = place.map((_, index) => index + (isChannelsFirst ? 2 : 1));
      const isMean = kind === "average" && rank === 1 && !isChannelsFirst;
      if (kind === "average" && rank === 1 && isChannelsFirst) refuseMasked(config, inputs);
      return {
        weights: [],
        state: [],
        outputs: [{ shape, isMasked: false }],
        apply([{ tensor, mask }]) {
          // The mean of the steps that count.
          const value = mask === undefined || !isMean ? pool(tensor, axes, keepDims) : tf.div(
            tf.sum(tf.mul(tensor, tf.expandDims(mask, -1)), 1, keepDims),
            keepDims ? tf.expandDims(tf.sum(mask, 1, true), -1) : tf.sum(mask, 1, true),
          );
          return { values: [{ tensor: value as Tensor }], state: [] };
        },
      };
    };
  };
}

/** [before, after] of each axis, as the three ways of writing it say. */
function readMargins(config: LayerConfig, name: string, rank: Rank): [number, number][] {
  const value = config.take(name) ?? 1;
  const each = Array.isArray(value) ? value : Array(rank).fill(value);
  // One axis has [before, after], more have one entry each.
  const entries = rank === 1 && each.length === 2 ? [each] : each;
  const margins = entries.map((entry) => Array.isArray(entry) ? entry : [entry, entry]);
  const isRight = margins.length === rank &&
    margins.every((pair) =>
      pair.length === 2 && pair.every((side) => Number.isSafeInteger(side) && side >= 0)
    );
  if (isRight) return margins as [number, number][];
  throw config.refusal(
    `has ${name} ${JSON.stringify(value)}`,
    `save it with whole numbers for ${rank} ${rank === 1 ? "axis" : "axes"}`,
  );
}

function zeroPadding(rank: Rank): LayerKind {
  return (config) => {
    const margins = readMargins(config, "padding", rank);
    const isChannelsFirst = readFormat(config);
    return (inputs) => {
      const { place, channels } = placeOf(config, inputs, rank, isChannelsFirst);
      const answer = place.map((side, axis) => side + margins[axis][0] + margins[axis][1]);
      const output = ordered([...answer, channels], isChannelsFirst);
      const all: [number, number][] = isChannelsFirst
        ? [[0, 0], [0, 0], ...margins]
        : [[0, 0], ...margins, [0, 0]];
      return plainLayer({ shape: output, isMasked: false }, (x) => tf.pad(x, all));
    };
  };
}

function cropping(rank: Rank): LayerKind {
  return (config) => {
    const margins = readMargins(config, "cropping", rank);
    const isChannelsFirst = readFormat(config);
    return (inputs) => {
      const { place, channels } = placeOf(config, inputs, rank, isChannelsFirst);
      const answer = place.map((side, axis) => side - margins[axis][0] - margins[axis][1]);
      if (answer.some((side) => side < 1)) {
        throw config.refusal(
          `cuts ${JSON.stringify(margins)} from [${place}]`,
          "save it so that something is left, or choose larger frames",
        );
      }
      const output = ordered([...answer, channels], isChannelsFirst);
      const begin = ordered([...margins.map(([before]) => before), 0], isChannelsFirst);
      return plainLayer(
        { shape: output, isMasked: false },
        (x) => tf.slice(x, [0, ...begin], [x.shape[0], ...output]),
      );
    };
  };
}

function upSampling(rank: Rank): LayerKind {
  return (config) => {
    const sizes = config.counts("size", rank, 2);
    const isChannelsFirst = readFormat(config);
    const isBilinear = rank === 2 &&
      config.choice("interpolation", ["nearest", "bilinear"] as const, "nearest") === "bilinear";
    return (inputs) => {
      const { place, channels } = placeOf(config, inputs, rank, isChannelsFirst);
      const answer = place.map((side, axis) => side * sizes[axis]);
      const output = ordered([...answer, channels], isChannelsFirst);
      return plainLayer({ shape: output, isMasked: false }, (input) => {
        const x = isChannelsFirst ? channelsLast(input) : input;
        const y = isBilinear ? resized(x, answer) : repeated(x, sizes);
        return isChannelsFirst ? channelsFirst(y) : y;
      });
    };
  };
}

/** Every place several times. */
function repeated(x: Tensor, sizes: readonly number[]): Tensor {
  if (x.rank === 4) {
    const [rows, columns] = [x.shape[1]! * sizes[0], x.shape[2]! * sizes[1]];
    return tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [rows, columns]);
  }
  let y = x;
  for (const [index, size] of sizes.entries()) {
    if (size === 1) continue;
    const axis = index + 1;
    const shape = y.shape.map((side, at) => at === axis ? side * size : side);
    y = tf.reshape(tf.stack(Array<Tensor>(size).fill(y), axis + 1), shape);
  }
  return y;
}

const resizing: LayerKind = (config) => {
  const [height, width] = [config.count("height"), config.count("width")];
  config.choice("interpolation", ["bilinear"] as const, "bilinear");
  config.only("crop_to_aspect_ratio", false, "save it without");
  config.only("pad_to_aspect_ratio", false, "save it without");
  config.only("antialias", false, "save it without");
  config.take("fill_mode");
  config.take("fill_value");
  const isChannelsFirst = readFormat(config);
  return (inputs) => {
    const { channels } = placeOf(config, inputs, 2, isChannelsFirst);
    const output = ordered([height, width, channels], isChannelsFirst);
    return plainLayer({ shape: output, isMasked: false }, (input) => {
      const x = isChannelsFirst ? channelsLast(input) : input;
      const y = resized(x, [height, width]);
      return isChannelsFirst ? channelsFirst(y) : y;
    });
  };
};

/**
 * Linear between the centres of places along rows and columns, as products with matrices of shares:
 * TensorFlow.js' own op, as its layers call it, aligns corners, which Keras does not.
 */
function resized(x: Tensor, [height, width]: readonly number[]): Tensor {
  const [lanes, rows, columns, channels] = x.shape as [number, number, number, number];
  const byRows = tf.matMul(
    tf.tensor2d(linearShares(rows, height), [height, rows]),
    tf.reshape(tf.transpose(x, [1, 0, 2, 3]), [rows, -1]),
  );
  const turned = tf.transpose(tf.reshape(byRows, [height, lanes, columns, channels]), [2, 1, 0, 3]);
  const byColumns = tf.matMul(
    tf.tensor2d(linearShares(columns, width), [width, columns]),
    tf.reshape(turned, [columns, -1]),
  );
  return tf.transpose(tf.reshape(byColumns, [width, lanes, height, channels]), [1, 2, 0, 3]);
}

/** [to, from]: what each new place takes of each old one. */
export function linearShares(from: number, to: number): Float32Array {
  const shares = new Float32Array(to * from);
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * from / to - 0.5;
    const below = Math.floor(centre);
    const share = centre - below;
    const within = (index: number) => Math.min(Math.max(index, 0), from - 1);
    shares[place * from + within(below)] += 1 - share;
    shares[place * from + within(below + 1)] += share;
  }
  return shares;
}

export const placeLayers: Readonly<Record<string, LayerKind>> = {
  MaxPooling1D: pooling(1, "max"),
  MaxPooling2D: pooling(2, "max"),
  MaxPooling3D: pooling(3, "max"),
  AveragePooling1D: pooling(1, "average"),
  AveragePooling2D: pooling(2, "average"),
  AveragePooling3D: pooling(3, "average"),
  GlobalMaxPooling1D: globalPooling(1, "max"),
  GlobalMaxPooling2D: globalPooling(2, "max"),
  GlobalMaxPooling3D: globalPooling(3, "max"),
  GlobalAveragePooling1D: globalPooling(1, "average"),
  GlobalAveragePooling2D: globalPooling(2, "average"),
  GlobalAveragePooling3D: globalPooling(3, "average"),
  ZeroPadding1D: zeroPadding(1),
  ZeroPadding2D: zeroPadding(2),
  ZeroPadding3D: zeroPadding(3),
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),
  Resizing: resizing,
};
