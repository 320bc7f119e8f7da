/**
 * `vae`: a variational autoencoder of frames (Kingma and Welling 2014, arXiv 1312.6114) with the
 * layers of Keras' example: convolutions of 32 and 64 filters and stride 2, a dense layer of 16, and
 * back. Three forms: each frame by itself (`conv2d`), a slice of frames as one point of the latent
 * space (`conv3d`), each frame with a state that is carried along its sequence (`convlstm`).
 */
import { type Tensor, tf } from "../engine/tf.ts";
import { initialValues } from "./layers/initial_values.ts";
import { divideParameters } from "./layers/layer.ts";
import { dense } from "./layers/dense.ts";
import type { Model } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";
import { outputMeanOption } from "./output_mean.ts";
import { frameByFrame, recurrentFrames, type VaeOptions, wholeSlices } from "./vae_forms.ts";

/** @throws {RangeError} for frames whose sides are no multiples of 4 */
export function vae(options: VaeOptions): Model {
  const { frameShape, latent, units, windowFrames, klWeight } = options;
  if (frameShape[0] % 4 !== 0 || frameShape[1] % 4 !== 0) {
    throw new RangeError(
      `Cannot build vae for frames of ${frameShape[0]} × ${frameShape[1]}: both sides must be ` +
        "multiples of 4, because it halves them twice",
    );
  }
  const forms = { conv2d: frameByFrame, conv3d: wholeSlices, convlstm: recurrentFrames };
  const { encoder, features, decoder, codes } = forms[options.form](options);
  const hidden = dense({ name: "encoder/dense", inputs: features, units, activation: "relu" });
  const mean = dense({ name: "encoder/mean", inputs: units, units: latent });
  const logVariance = dense({ name: "encoder/logVariance", inputs: units, units: latent });
  const parts = [encoder, hidden, mean, logVariance, decoder];
  const parameters = parts.flatMap((part) => part.parameters);
  const carriesState = options.form === "convlstm";
  return {
    name: "vae",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: [...encoder.state, ...decoder.state],
    noise: [{ name: "latent", shape: [codes, latent], distribution: "normal" }],
    window: {
      frames: windowFrames,
      advance: windowFrames,
      predictions: windowFrames,
      carriesState,
    },
    loss: "mse",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, state, { frames, noise: [noise] }) {
      const lanes = frames.shape[0];
      const [ofEncoder, ofHidden, ofMean, ofLogVariance, ofDecoder] = divideParameters(
        values,
        parts,
      );
      const ownState = encoder.state.length;
      const seen = encoder.apply(ofEncoder, state.slice(0, ownState), frames, lanes);
      const row = hidden.apply(ofHidden, seen.output);
      const means = mean.apply(ofMean, row);
      const logVariances = logVariance.apply(ofLogVariance, row);
      const spread = tf.mul(
        tf.exp(tf.mul(logVariances, 0.5)),
        tf.reshape(noise, [lanes * codes, latent]),
      );
      const points = tf.add(means, spread) as Tensor;
      const drawn = decoder.apply(ofDecoder, state.slice(ownState), points, lanes);
      // A slice's one divergence is shared by its frames, so that their sum counts it once.
      const ofEachFrame = (ofCodes: Tensor) =>
        tf.reshape(
          tf.tile(tf.reshape(ofCodes, [lanes * codes, 1, -1]), [1, windowFrames / codes, 1]),
          [lanes, windowFrames, -1],
        );
      const divergence = tf.mul(
        klDivergence(means, logVariances),
        klWeight * codes / windowFrames,
      );
      return {
        predictions: drawn.output,
        state: [...seen.state, ...drawn.state],
        penalty: tf.reshape(ofEachFrame(divergence), [lanes, windowFrames]),
        latent: ofEachFrame(means),
      };
    },
    targets: (frames) => frames,
    decode: options.form === "conv2d"
      ? (values, points) => {
        const [count] = points.shape;
        const ofDecoder = divideParameters(values, parts)[4];
        const { output } = decoder.apply(ofDecoder, [], points, count);
        return tf.reshape(output, [count, ...frameShape]);
      }
      : undefined,
  };
}

/** KL(N(mean, variance) || N(0, 1)) in nats, of each row: [n, latent] to [n]. */
function klDivergence(means: Tensor, logVariances: Tensor): Tensor {
  const terms = tf.sub(
    tf.sub(tf.add(logVariances, 1), tf.square(means)),
    tf.exp(logVariances),
  );
  return tf.mul(tf.sum(terms, 1), -0.5);
}

export const vaeDefinition: ModelDefinition = {
  options: [
    {
      name: "form",
      default: "conv2d",
      choices: ["conv2d", "conv3d", "convlstm"],
      meaning: "frames alone, slices of --window frames, or frames with carried state",
    },
    {
      name: "outer-filters",
      default: 32,
      min: 1,
      max: 2048,
      meaning: "of the convolution at the frame",
    },
    { name: "inner-filters", default: 64, min: 1, max: 2048, meaning: "of the next one" },
    { name: "units", default: 16, min: 1, max: 4096, meaning: "of the dense layer after them" },
    { name: "latent", default: 6, min: 1, max: 4096, meaning: "numbers that stand for a frame" },
    {
      name: "kl-weight",
      default: 1,
      min: 0,
      max: 1e6,
      fraction: true,
      meaning: "of the divergence beside a frame's summed error",
    },
    outputMeanOption,
  ],
  build: ({ frameShape, windowFrames, options }) =>
    vae({
      frameShape,
      windowFrames,
      form: options.form as VaeOptions["form"],
      filters: [options["outer-filters"] as number, options["inner-filters"] as number],
      units: options.units as number,
      latent: options.latent as number,
      klWeight: options["kl-weight"] as number,
      outputMean: options["output-mean"] as number,
    }),
};
