import assert from "node:assert/strict";
import type { Tensor } from "../../../engine/tf.ts";
import { imagesToPatches, patchesToImages } from "../../../models/layers/patches.ts";
import { testLayer } from "./layer_fixture.ts";

testLayer("imagesToPatches", ({ size }) => ([images]) => [imagesToPatches(images, size)]);
testLayer("patchesToImages", ({ size }) => ([patches]) => [patchesToImages(patches, size)]);

Deno.test("imagesToPatches refuses sides that are no multiples of the patch", () => {
  const images = { shape: [1, 10, 8, 1] } as unknown as Tensor;
  assert.throws(() => imagesToPatches(images, 4), /10 × 8 pixels into patches of 4 × 4/);
});
