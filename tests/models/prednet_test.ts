import assert from "node:assert/strict";
import { predNet } from "../../models/prednet.ts";
import { parameterCount, testCarriedState } from "./model_checks.ts";

const small = {
  frameShape: [4, 8, 1],
  filters: [2, 3],
  kernelSize: 3,
  upperErrorWeight: 0,
  windowFrames: 2,
} as const;

Deno.test("predNet of 3, 48, 96, 192 channels has 6,915,948 parameters", () => {
  const model = predNet({ ...small, frameShape: [128, 160, 3], filters: [48, 96, 192] });
  assert.equal(parameterCount(model), 6_915_948);
});

testCarriedState("predNet", predNet(small), predNet({ ...small, windowFrames: 4 }));

Deno.test("predNet refuses frames that it cannot halve", () => {
  assert.throws(() => predNet({ ...small, frameShape: [6, 8, 1] }), /3 layers for frames of 6 × 8/);
});
