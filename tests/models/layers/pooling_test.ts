import { averagePooling2d, maxPooling2d } from "../../../models/layers/pooling.ts";
import { feedForward, testLayer } from "./layer_fixture.ts";

testLayer("maxPooling2d", feedForward((options) => maxPooling2d(options)));
testLayer("averagePooling2d", feedForward((options) => averagePooling2d(options)));
