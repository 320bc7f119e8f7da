import { activate } from "../../../models/layers/activation.ts";
import { testLayer } from "./layer_fixture.ts";

testLayer("activation", ({ name }) => ([x]) => [activate(name, x)]);
