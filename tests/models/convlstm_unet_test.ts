import assert from "node:assert/strict";
import { defaultRun } from "../../launch/run_flags.ts";
import { buildModel } from "../../models/build_model.ts";
import { convLstmUnet, type ConvLstmUnetOptions } from "../../models/convlstm_unet.ts";
import { assertClose } from "./close_to.ts";
import { firstValues, testCarriedState } from "./model_checks.ts";

const small: ConvLstmUnetOptions = {
  frameShape: [4, 8, 1],
  mode: "next-frame",
  outputShape: [4, 8, 1],
  outputActivation: "sigmoid",
  filters: 2,
  levels: 3,
  kernelSize: 3,
  windowFrames: 2,
};
const segmenting: ConvLstmUnetOptions = {
  ...small,
  mode: "supervised",
  outputShape: [4, 8, 3],
  outputActivation: "softmax",
};

Deno.test("convLstmUnet doubles its filters downwards and joins each level's states upwards", () => {
  const model = convLstmUnet({ ...small, filters: 12 });
  const shapes = Object.fromEntries(model.parameters.map(({ name, shape }) => [name, shape]));
  assert.deepEqual(shapes["down0/kernel"], [3, 3, 1, 48]);
  assert.deepEqual(shapes["down2/kernel"], [3, 3, 24, 192]);
  assert.deepEqual(shapes["up1/kernel"], [3, 3, 24 + 48, 96]);
  assert.deepEqual(shapes["up0/kernel"], [3, 3, 12 + 24, 48]);
  assert.deepEqual(shapes["head/kernel"], [1, 1, 12, 1]);
  assert.equal(model.state.length, 2 * 5);
});

testCarriedState(
  "convLstmUnet",
  convLstmUnet(small),
  convLstmUnet({ ...small, windowFrames: 4 }),
);

Deno.test("convLstmUnet refuses frames and answers that do not fit", () => {
  assert.throws(
    () => convLstmUnet({ ...small, frameShape: [6, 8, 1] }),
    /3 levels for frames of 6 × 8.*multiples of 4/,
  );
  assert.throws(
    () => convLstmUnet({ ...segmenting, outputShape: [4] }),
    /\[4\] to frames of 4 × 8/,
  );
  assert.throws(
    () => convLstmUnet({ ...small, backgroundShare: 0.9 }),
    /background of 0.9 with output sigmoid/,
  );
  const { model } = defaultRun;
  const named = { ...model, name: "convlstm-unet", options: { mode: "supervised" } };
  assert.throws(
    () => buildModel(named, { frameShape: [4, 8, 1] }, 3),
    /^RangeError: Cannot build convlstm-unet with mode=supervised for a dataset without answers: /,
  );
});

Deno.test("convLstmUnet begins with the share of the background that it is told", () => {
  assertClose(firstValues(convLstmUnet(segmenting), "head/bias"), [0, 0, 0], "all alike");
  const model = convLstmUnet({ ...segmenting, backgroundShare: 0.9 });
  const exponents = [...firstValues(model, "head/bias")].map(Math.exp);
  const sum = exponents.reduce((total, value) => total + value, 0);
  assertClose(exponents.map((value) => value / sum), [0.9, 0.05, 0.05], "shares");
});
