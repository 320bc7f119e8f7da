import { dense } from "../../../models/layers/dense.ts";
import { feedForward, testLayer } from "./layer_fixture.ts";

testLayer(
  "dense",
  feedForward(({ activation }, [[inputs, units]]) =>
    dense({ name: "dense", inputs, units, activation })
  ),
);
