import { upsampling2d } from "../../../models/layers/upsampling.ts";
import { feedForward, testLayer } from "./layer_fixture.ts";

testLayer(
  "upsampling2d",
  feedForward(({ factor, interpolation }) => upsampling2d(factor, interpolation)),
);
