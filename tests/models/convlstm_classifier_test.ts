import assert from "node:assert/strict";
import { convLstmClassifier } from "../../models/convlstm_classifier.ts";
import { parameterCount } from "./model_checks.ts";

Deno.test("convLstmClassifier has the published network's 29,504 parameters, layer by layer", () => {
  const model = convLstmClassifier({
    frameShape: [50, 130, 1],
    windowFrames: 20,
    classes: 4,
    filters: 5,
  });
  assert.equal(parameterCount(model), 29_504);
  const ofPart = (part: string) =>
    parameterCount({
      ...model,
      parameters: model.parameters.filter(({ name }) => name.startsWith(part)),
    });
  assert.deepEqual(["layer0", "layer1", "layer2", "head"].map(ofPart), [
    1940,
    12_820,
    12_820,
    1924,
  ]);
});
