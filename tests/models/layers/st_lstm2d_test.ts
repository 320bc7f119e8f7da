import assert from "node:assert/strict";
import { stLstm2d } from "../../../models/layers/st_lstm2d.ts";
import { testLayer } from "./layer_fixture.ts";

testLayer("stLstm2d", (options, shapes) => {
  const [, , channels] = shapes[0];
  const layer = stLstm2d({ name: "cell", channels, filters: shapes[4][3], ...options });
  const count = layer.parameters.length;
  assert.deepEqual(layer.parameters.map(({ shape }) => shape), shapes.slice(0, count));
  return (tensors) => {
    const [input, hidden, cell, memory] = tensors.slice(count);
    const state = layer.apply(tensors.slice(0, count), { hidden, cell, memory }, input);
    return [state.hidden, state.cell, state.memory];
  };
});
