import { predictionErrors, updateRepresentation } from "../../../models/layers/prednet_units.ts";
import { testLayer } from "./layer_fixture.ts";

testLayer("predictionErrors", () => ([target, prediction]) => [
  predictionErrors(target, prediction),
]);

testLayer("updateRepresentation", () => ([kernel, bias, cell, hidden, errors, above]) => {
  const state = updateRepresentation(kernel, bias, cell, [hidden, errors, above]);
  return [state.hidden, state.cell];
});
