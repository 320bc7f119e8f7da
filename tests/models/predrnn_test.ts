import assert from "node:assert/strict";
import { predRnn } from "../../models/predrnn.ts";
import { parameterCount, testCarriedState } from "./model_checks.ts";

const small = {
  frameShape: [4, 6, 1],
  layers: 2,
  filters: 3,
  kernelSize: 3,
  patch: 2,
  hasBias: false,
  windowFrames: 2,
  inputFrames: 2,
  outputFrames: 2,
} as const;

Deno.test("predRnn of 4 layers of 128 has the published 23.8 million parameters", () => {
  const model = predRnn({
    ...small,
    frameShape: [64, 64, 1],
    mode: "forecast",
    layers: 4,
    filters: 128,
    kernelSize: 5,
    patch: 4,
  });
  assert.equal(parameterCount(model), 23_838_720);
});

testCarriedState(
  "predRnn",
  predRnn({ ...small, mode: "next-frame" }),
  predRnn({ ...small, mode: "next-frame", windowFrames: 4 }),
);
