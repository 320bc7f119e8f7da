/**
 * A whole run as the real TensorBoard reads it. Half a minute long, so it runs only where
 * TENSORBOARD_PYTHON names a Python that has TensorBoard.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { natsServerMissing } from "../support/nats_server.ts";
import { inFolder, trained } from "./command.ts";

const python = Deno.env.get("TENSORBOARD_PYTHON");
const reader = fileURLToPath(new URL("../report/tensorboard/read_events.py", import.meta.url));
if (python === undefined) {
  console.warn("Skipped: TENSORBOARD_PYTHON names no Python to read a run of 500 steps with");
}

const steps = 500;

Deno.test({
  name: "TensorBoard reads the scalars of every step, and predictions of every 250",
  ignore: natsServerMissing || python === undefined,
  fn: inFolder(async (cwd) => {
    const recipe = fileURLToPath(
      new URL("../../recipes/seq2seq_convlstm_mnist.json", import.meta.url),
    );
    const small = [
      ...["--config", recipe, "--size", "32", "--model-options", "filters=2", "--lanes", "4"],
      ...["--shards", "2", "--sequences", "1000", "--validation-sequences", "4"],
      ...["--test-sequences", "4", "--epochs", "2", "--workers", "2"],
    ];
    const { run, loss, validationLoss } = await trained(small, { cwd });
    const { success, stdout, stderr } = await new Deno.Command(python!, {
      args: [reader, `${run}`],
      cwd,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const { scalars, images, hparams } = JSON.parse(new TextDecoder().decode(stdout));
    const stepsOf = (tag: string) => scalars[tag].map(([step]: [number]) => step);
    assert.deepEqual(stepsOf("training/loss"), Array.from({ length: steps }, (_, i) => i + 1));
    assert.equal(scalars["training/loss"].at(-1)[1], Math.fround(loss as number));
    assert.deepEqual(stepsOf("validation/validationLoss"), [250, 500]);
    assert.equal(
      scalars["validation/validationLoss"].at(-1)[1],
      Math.fround(validationLoss as number),
    );
    assert.deepEqual(images.predictions.map(([step]: [number]) => step), [250, 500]);
    for (const [, width, height, bytes] of images.predictions) {
      assert.ok(width > 20 * 32 && height > 32 && bytes > 1000, `${width} × ${height}, ${bytes}`);
    }
    assert.equal(hparams["precision"], "bfloat16");
  }),
});
