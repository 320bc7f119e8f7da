import { lstm } from "../../../models/layers/lstm.ts";
import { recurrent, testLayer } from "./layer_fixture.ts";

testLayer(
  "lstm",
  recurrent((options, [inputs], units) => lstm({ name: "lstm", inputs, units, ...options })),
);
