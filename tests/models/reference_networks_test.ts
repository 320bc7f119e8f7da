/** Every model against the same network, built of Keras' layers or written in PyTorch. */
import assert from "node:assert/strict";
import { type Tensor, tf } from "../../engine/tf.ts";
import { cnnLstm } from "../../models/cnn_lstm.ts";
import { convAutoencoder } from "../../models/conv_autoencoder.ts";
import { convLstmClassifier } from "../../models/convlstm_classifier.ts";
import { convLstmUnet } from "../../models/convlstm_unet.ts";
import type { Model, ModelOutput } from "../../models/model.ts";
import { predNet } from "../../models/prednet.ts";
import { predRnn } from "../../models/predrnn.ts";
import { seq2seqConvLstm } from "../../models/seq2seq_convlstm.ts";
import { shiConvLstm } from "../../models/shi_convlstm.ts";
import { vae } from "../../models/vae.ts";
import keras from "../fixtures/models/keras_networks.json" with { type: "json" };
import torch from "../fixtures/models/torch_networks.json" with { type: "json" };
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";
import { formulaTensor, numbers } from "./keras_fixture.ts";

interface Case {
  readonly model: string;
  readonly options: unknown;
  /** The shapes of all parameters. */
  readonly parameters: readonly (readonly number[])[];
  readonly outputs: readonly string[];
  readonly gradients: readonly string[];
}

// deno-lint-ignore no-explicit-any
const builders: Readonly<Record<string, (options: any) => Model>> = {
  "cnn-lstm": cnnLstm,
  "conv-autoencoder": convAutoencoder,
  "convlstm-classifier": convLstmClassifier,
  "convlstm-unet": convLstmUnet,
  "prednet": predNet,
  "predrnn": predRnn,
  "seq2seq-convlstm": seq2seqConvLstm,
  "shi-convlstm": shiConvLstm,
  "vae": vae,
};
const LANES = 2;

function outputsOf({ predictions, state, penalty }: ModelOutput): Tensor[] {
  return [predictions, ...state, ...(penalty ? [penalty] : [])];
}

for (const [name, build] of Object.entries(builders)) {
  const own = ([...keras.cases, ...torch.cases] as Case[]).filter(({ model }) => model === name);
  assert.ok(own.length > 0, `no case of ${name}`);
  const opByOp = new Map<string, ArrayLike<number>[]>();
  testOnEachEngine(`${name} is the reference network`, async (compile, tolerance) => {
    for (const { options, parameters: shapes, outputs, gradients } of own) {
      const what = JSON.stringify(options);
      const model = build(options);
      assert.deepEqual(model.parameters.map(({ shape }) => shape), shapes, what);
      const parameters = shapes.map((shape, index) => formulaTensor(shape, index + 1, 0.4));
      const state = model.state.map(({ shape }, index) =>
        formulaTensor([LANES, ...shape], 91 + index, 0.5)
      );
      const frames = tf.tidy(() =>
        tf.add(formulaTensor([LANES, model.window.frames, ...model.frameShape], 90, 0.5), 0.5)
      ) as Tensor;
      const noise = (model.noise ?? []).map(({ shape }) =>
        formulaTensor([LANES, ...shape], 120, 1)
      );
      const run = compile(name, (tensors) => {
        const values = tensors.slice(0, shapes.length);
        const before = tensors.slice(shapes.length, shapes.length + state.length);
        const [window, ...drawn] = tensors.slice(shapes.length + state.length);
        const apply = (weights: Tensor[]) =>
          outputsOf(model.apply(weights, before, { frames: window, noise: drawn, training: true }));
        // A state that is carried on has no way back: its part of the scalar is left out.
        const isDifferentiated = (index: number) => index === 0 || index > model.state.length;
        const scalar = (...weights: Tensor[]) =>
          tf.addN(
            apply(weights).flatMap((output, index) =>
              isDifferentiated(index)
                ? [tf.sum(tf.mul(output, formulaTensor(output.shape, 30 + index, 1)))]
                : []
            ),
          ) as tf.Scalar;
        return [...apply(values), ...tf.grads(scalar)(values)];
      });
      const results = await run([...parameters, ...state, frames, ...noise]);
      const found = results.map((result) => result.dataSync());
      assert.equal(found.length, outputs.length + gradients.length, what);
      [...outputs, ...gradients].forEach((expected, index) =>
        assertClose(found[index], numbers(expected), `${what}, ${index}`, tolerance)
      );
      const key = `${tf.getBackend()} ${what}`;
      const before = opByOp.get(key);
      if (before) assert.deepEqual(found, before, `${what}: other bits when traced`);
      opByOp.set(key, found);

      const { predictions: count } = model.window;
      assert.deepEqual(results[0].shape, [LANES, count, ...model.outputShape]);
      const answers = tf.ones([LANES, model.window.frames, ...model.outputShape]);
      const compare = compile("targets", ([window, given]) => [
        tf.clone(model.targets(window, given)),
        ...(model.persistence ? [tf.clone(model.persistence(window))] : []),
      ]);
      const compared = await compare([frames, answers]);
      for (const { shape } of compared) assert.deepEqual(shape, results[0].shape, what);
      tf.dispose([parameters, state, frames, noise, results, answers, compared]);
      compare.dispose();
      run.dispose();
    }
  });
}
