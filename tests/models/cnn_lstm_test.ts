import assert from "node:assert/strict";
import { cnnLstm } from "../../models/cnn_lstm.ts";
import { parameterCount } from "./model_checks.ts";

Deno.test("cnnLstm has the published network's 13,039 parameters", () => {
  const model = cnnLstm({
    frameShape: [50, 130, 1],
    windowFrames: 20,
    classes: 4,
    filters: 5,
    units: 5,
  });
  assert.equal(parameterCount(model), 13_039);
});

Deno.test("cnnLstm says which datasets it needs", () => {
  const model = cnnLstm({
    frameShape: [8, 8, 1],
    windowFrames: 3,
    classes: 4,
    filters: 3,
    units: 3,
  });
  const frames = { shape: [1, 3, 8, 8, 1] } as unknown as Parameters<typeof model.targets>[0];
  assert.throws(() => model.targets(frames), /without the dataset's answers/);
});
