import assert from "node:assert/strict";
import { datasetNames } from "../../datasets/open_dataset.ts";
import { optionsHelp } from "../../launch/options_help.ts";
import { modelNames } from "../../net/run_configuration.ts";

Deno.test("optionsHelp() lists the options of the dataset and of the network that are named", async () => {
  const text = await optionsHelp({ dataset: "mnist", model: "vae" });
  assert.match(
    text,
    /^\n--dataset-options of mnist:\n {2}classes=N,N,\.\.\. +digits to take \(default: 0,1/,
  );
  assert.match(text, /^ {2}flips=true\|false +.* \(default: false\)$/m);
  assert.match(
    text,
    /^--model-options of vae:\n {2}form=conv2d\|conv3d\|convlstm {2}\S.* \(default: conv2d\)$/m,
  );
  assert.match(text, /^ {2}kl-weight=X +.* \(default: 1\)$/m);
  assert.match(await optionsHelp({ dataset: "npy" }), /^ {2}targets=PATH +.* \(default: none\)$/m);
  assert.equal(await optionsHelp({}), "");
});

Deno.test("optionsHelp() knows every dataset and network", async () => {
  for (const dataset of datasetNames) {
    assert.match(await optionsHelp({ dataset }), new RegExp(`^\n--dataset-options of ${dataset}:`));
  }
  for (const model of modelNames) {
    assert.match(await optionsHelp({ model }), new RegExp(`^\n--model-options of ${model}:`));
  }
});
