import assert from "node:assert/strict";
import { fixedWindow, topologyForLanes } from "../../models/layers_topology.ts";

const memory = { class_name: "LSTM", config: { name: "memory", stateful: true, units: 2 } };

Deno.test("topologyForLanes takes batches and states out and names the network's own stateful layers", () => {
  const saved = {
    keras_version: "2.15",
    model_config: {
      class_name: "Sequential",
      config: {
        name: "network",
        layers: [
          {
            class_name: "InputLayer",
            config: { name: "input", batch_input_shape: [6, 3, 4] },
          },
          memory,
        ],
      },
    },
  };
  const before = JSON.stringify(saved);
  const { topology, stateful, statefulWithin } = topologyForLanes(saved);
  assert.deepEqual([stateful, statefulWithin], [["memory"], []]);
  const text = JSON.stringify(topology);
  assert.ok(text.includes(`"batch_input_shape":[null,3,4]`), text);
  assert.ok(text.includes(`"stateful":false`), text);
  assert.equal(JSON.stringify(saved), before, "what was read stays as it is");
});

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
  // One frame at a time.
  assert.equal(fixedWindow(input([null, 4, 4, 1])), undefined);
  assert.equal(fixedWindow({ class_name: "Sequential", config: [] }), undefined);
});

Deno.test("topologyForLanes knows a network's own layers in old files, which give it no name", () => {
  const saved = { class_name: "Sequential", config: [memory] };
  assert.deepEqual(topologyForLanes(saved).stateful, ["memory"]);
});

Deno.test("topologyForLanes names stateful layers within layers by their path", () => {
  const decoder = { class_name: "Sequential", config: { name: "decoder", layers: [memory] } };
  const both = { class_name: "Bidirectional", config: { name: "both", layer: memory } };
  const saved = {
    class_name: "Functional",
    config: { name: "network", layers: [decoder, both] },
  };
  const { stateful, statefulWithin } = topologyForLanes(saved);
  assert.deepEqual([stateful, statefulWithin], [[], ["decoder/memory", "both/memory"]]);
});

Deno.test("topologyForLanes freezes what lies within a frozen layer, and nothing beside it", () => {
  const initializer = { class_name: "Zeros", config: {} };
  const dense = {
    class_name: "Dense",
    config: { name: "dense", trainable: true, kernel_initializer: initializer },
  };
  const saved = {
    class_name: "Functional",
    config: {
      name: "network",
      layers: [
        {
          class_name: "Sequential",
          config: { name: "frozen", trainable: false, layers: [dense] },
        },
        dense,
      ],
    },
  };
  const { topology } = topologyForLanes(saved);
  const { layers } = (topology as typeof saved).config;
  assert.deepEqual(
    (layers[0] as { config: { layers: unknown[] } }).config.layers[0],
    { ...dense, config: { ...dense.config, trainable: false } },
  );
  assert.deepEqual(layers[1], dense);
});

Deno.test("topologyForLanes names regularizers and constraints of layers that are trained", () => {
  const l2 = { class_name: "L1L2", config: { l1: 0, l2: 0.01 } };
  const dense = (name: string, own: object) => ({
    class_name: "Dense",
    config: { name, units: 2, kernel_regularizer: null, ...own },
  });
  const layers = [
    dense("plain", { bias_constraint: null }),
    dense("frozen", { trainable: false, kernel_regularizer: l2 }),
    dense("decayed", { kernel_regularizer: l2 }),
    {
      class_name: "TimeDistributed",
      config: { name: "each", layer: dense("bound", { bias_constraint: l2 }) },
    },
  ];
  const { terms } = topologyForLanes({ class_name: "Sequential", config: { name: "own", layers } });
  assert.deepEqual(terms, [
    { layer: "decayed", term: "kernel_regularizer" },
    { layer: "each/bound", term: "bias_constraint" },
  ]);
});
