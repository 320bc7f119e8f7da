/** Every recipe is a run that would start: its flags, its dataset's and its network's options hold. */
import assert from "node:assert/strict";
import { openDataset } from "../datasets/open_dataset.ts";
import { readFlags, requestRun } from "../launch/run_options.ts";
import { commandFlags } from "../launch/run_options.ts";
import { buildModel, findModel } from "../models/build_model.ts";
import { parameterCount } from "../worker/trainer.ts";

const folder = new URL("../recipes/", import.meta.url);
const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
  .filter((name) => name.endsWith(".json")).sort();

/** As published, or as Keras counts the same layers. */
const parameters: Readonly<Record<string, number>> = {
  "digits_autoencoder.json": 50_179,
  "moving_points_cnn_lstm.json": 13_039,
  "moving_points_convlstm.json": 29_504,
  "predrnn_mnist.json": 23_838_720,
  "seq2seq_convlstm_mnist.json": 1_036_097,
  "shi_convlstm_mnist.json": 7_585_296,
};

Deno.test("every recipe's flags and options hold", async () => {
  assert.ok(names.length > 0);
  for (const name of names) {
    const path = new URL(name, folder).pathname;
    const { dataset: taken } = JSON.parse(await Deno.readTextFile(path));
    // Recorded radar is the reader's own.
    const args = ["--config", path, ...(taken === "radar" ? ["--data", "radar"] : [])];
    const { configuration } = await requestRun(await readFlags(args, commandFlags));
    const { dataset: data, model, seed, windowFrames } = configuration;
    // Radar and the like have to be there.
    if (data.path !== null && !await Deno.stat(data.path).then(() => true, () => false)) continue;
    const dataset = await openDataset(data, seed);
    const built = buildModel(model, dataset, windowFrames, await findModel(model.name));
    if (name in parameters) assert.equal(parameterCount(built), parameters[name], name);
    dataset.close();
  }
});
