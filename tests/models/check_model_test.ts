import assert from "node:assert/strict";
import { tf } from "../../engine/tf.ts";
import { applyModel } from "../../models/check_model.ts";
import { noisyClassifier } from "../worker/noisy_classifier.ts";
import { testOnEngines } from "../worker/small_run.ts";
import { evaluationInputs } from "./evaluation_inputs.ts";

testOnEngines("applyModel tells the name of the model of which an op failed", async (open) => {
  await open(1);
  const model = { ...noisyClassifier(), apply: () => assert.fail("shapes do not fit") };
  const frames = tf.zeros([1, 3, ...model.frameShape]);
  assert.throws(() => applyModel(model, [], [], evaluationInputs(frames)), {
    name: "ModelError",
    message: 'Cannot apply model "noisy-classifier": shapes do not fit',
  });
  frames.dispose();
}, ["wasm"]);
