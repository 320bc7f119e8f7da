/**
 * `conv-autoencoder`: an image through a narrow place and back. Two convolutions of stride 2, then one
 * that reads all that is left of the image ('valid', 7×7 for 28×28 pixels); the decoder mirrors them
 * with transposed convolutions. Each frame is an example of its own.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import type { ActivationName } from "./layers/activation.ts";
import { conv2d, conv2dTranspose } from "./layers/convolution2d.ts";
import { initialValues } from "./layers/initial_values.ts";
import { divideParameters, sequential } from "./layers/layer.ts";
import type { Model } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";

export interface ConvAutoencoderOptions {
  readonly frameShape: FrameShape;
  /** Filters of the two convolutions. */
  readonly filters: readonly [number, number];
  readonly kernelSize: number;
  /** Numbers that an image is squeezed into. */
  readonly latent: number;
  readonly outputActivation: ActivationName;
}

/** @throws {RangeError} for frames whose sides are no multiples of 4 */
export function convAutoencoder(options: ConvAutoencoderOptions): Model {
  const { frameShape, filters: [outer, inner], kernelSize, latent } = options;
  const [height, width, channels] = frameShape;
  if (height % 4 !== 0 || width % 4 !== 0) {
    throw new RangeError(
      `Cannot build conv-autoencoder for frames of ${height} × ${width}: both sides must be ` +
        "multiples of 4, because it halves them twice",
    );
  }
  const rest = [height / 4, width / 4] as const;
  const halving = { kernelSize, stride: 2, activation: "relu" } as const;
  const encoder = sequential(
    conv2d({ ...halving, name: "encoder/conv0", channels, filters: outer }),
    conv2d({ ...halving, name: "encoder/conv1", channels: outer, filters: inner }),
    conv2d({
      name: "encoder/conv2",
      channels: inner,
      filters: latent,
      kernelSize: rest,
      padding: "valid",
    }),
  );
  const decoder = sequential(
    conv2dTranspose({
      name: "decoder/conv0",
      channels: latent,
      filters: inner,
      kernelSize: rest,
      padding: "valid",
      activation: "relu",
    }),
    conv2dTranspose({ ...halving, name: "decoder/conv1", channels: inner, filters: outer }),
    conv2dTranspose({
      ...halving,
      name: "decoder/conv2",
      channels: outer,
      filters: channels,
      activation: options.outputActivation,
    }),
  );
  const parts = [encoder, decoder];
  const parameters = parts.flatMap((part) => part.parameters);
  const decode = (values: readonly Tensor[], points: Tensor) => {
    const pixels = tf.reshape(points, [points.shape[0], 1, 1, latent]);
    return decoder.apply(divideParameters(values, parts)[1], pixels);
  };
  return {
    name: "conv-autoencoder",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: [],
    window: { frames: 1, advance: 1, predictions: 1, carriesState: false },
    loss: "mse",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, _, { frames }) {
      const lanes = frames.shape[0];
      const images = tf.reshape(frames, [lanes, ...frameShape]);
      const pixels = encoder.apply(divideParameters(values, parts)[0], images);
      const points = tf.reshape(pixels, [lanes, latent]);
      return {
        predictions: tf.reshape(decode(values, points), [lanes, 1, ...frameShape]),
        state: [],
        latent: tf.reshape(points, [lanes, 1, latent]),
      };
    },
    targets: (frames) => frames,
    decode,
  };
}

export const convAutoencoderDefinition: ModelDefinition = {
  options: [
    {
      name: "outer-filters",
      default: 32,
      min: 1,
      max: 2048,
      meaning: "of the convolution at the image",
    },
    { name: "inner-filters", default: 64, min: 1, max: 2048, meaning: "of the next one" },
    { name: "kernel", default: 3, min: 1, max: 31, meaning: "side of their kernels" },
    { name: "latent", default: 2, min: 1, max: 4096, meaning: "numbers that stand for an image" },
    {
      name: "output",
      default: "sigmoid",
      choices: ["sigmoid", "linear"],
      meaning: "activation of the drawn pixels",
    },
  ],
  build: ({ frameShape, options }) =>
    convAutoencoder({
      frameShape,
      filters: [options["outer-filters"] as number, options["inner-filters"] as number],
      kernelSize: options.kernel as number,
      latent: options.latent as number,
      outputActivation: options.output as ActivationName,
    }),
};
