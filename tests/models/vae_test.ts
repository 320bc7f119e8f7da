import assert from "node:assert/strict";
import { vae } from "../../models/vae.ts";
import type { VaeOptions } from "../../models/vae_forms.ts";
import { assertClose } from "./close_to.ts";
import { firstValues, parameterCount, testCarriedState } from "./model_checks.ts";

const small: VaeOptions = {
  frameShape: [8, 4, 1],
  form: "conv2d",
  filters: [2, 3],
  units: 4,
  latent: 2,
  klWeight: 1,
  windowFrames: 2,
};

Deno.test("vae has the parameters of Keras' example, at its sizes", () => {
  const model = vae({ ...small, frameShape: [28, 28, 1], filters: [32, 64], units: 16 });
  // https://keras.io/examples/generative/vae: encoder 69,076, decoder 65,089.
  assert.equal(parameterCount(model), 69_076 + 65_089);
});

testCarriedState(
  "vae of form convlstm",
  vae({ ...small, form: "convlstm" }),
  vae({ ...small, form: "convlstm", windowFrames: 4 }),
);

Deno.test("vae decodes points where a frame has one of its own", () => {
  assert.ok(vae(small).decode);
  assert.equal(vae({ ...small, form: "conv3d" }).decode, undefined);
  assert.throws(() => vae({ ...small, frameShape: [6, 8, 1] }), /6 × 8.*multiples of 4/);
});

Deno.test("vae draws pixels that begin at the mean it is told, in every form", () => {
  for (const form of ["conv2d", "conv3d", "convlstm"] as const) {
    assertClose(firstValues(vae({ ...small, form }), "decoder/conv2/bias"), [0], form);
    const told = vae({ ...small, form, outputMean: 0.1 });
    assertClose(firstValues(told, "decoder/conv2/bias"), [Math.log(0.1 / 0.9)], form);
  }
});
