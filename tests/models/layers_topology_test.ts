import assert from "node:assert/strict";
import { fixedWindow } from "../../models/layers_topology.ts";

Deno.test("fixedWindow is the time of what a network reads first, where that is a number", () => {
  const input = (shape: readonly (number | null)[]) => ({
    model_config: {
      class_name: "Sequential",
      config: {
        layers: [
          { class_name: "Flatten", config: { name: "flat", batch_input_shape: shape } },
          { class_name: "Dense", config: { name: "inner", batch_input_shape: [null, 7, 20] } },
        ],
      },
    },
  });
  assert.equal(fixedWindow(input([null, 5, 4, 4, 1])), 5);
  assert.equal(fixedWindow(input([2, 5, 16])), 5);
  assert.equal(fixedWindow(input([2, null, 4, 4, 1])), undefined);
  const ofKeras3 = { class_name: "InputLayer", config: { batch_shape: [null, 6, 4, 4, 1] } };
  const topology = { class_name: "Sequential", config: { layers: [ofKeras3] } };
  assert.equal(fixedWindow({ model_config: topology }), 6);
  // One frame at a time.
  assert.equal(fixedWindow(input([null, 4, 4, 1])), undefined);
  assert.equal(fixedWindow({ class_name: "Sequential", config: [] }), undefined);
});
