import assert from "node:assert/strict";
import { classDifference } from "../../coordinator/class_names.ts";

Deno.test("classDifference() names both sides where an answer would be told by another name", () => {
  assert.match(
    classDifference(["a", "b", "c"], ["b", "c", "zz"])!,
    /^its classes are a, b, c, those of the data are b, c, zz$/,
  );
  assert.match(classDifference(["a", "b"], ["b", "a"])!, /are a, b, .* are b, a$/);
  assert.match(classDifference(["a", "b"], ["a"])!, /are a, b, .* are a$/);
  const many = Array.from({ length: 1000 }, (_, index) => `${index}`);
  assert.match(classDifference(many, ["a"])!, /, 18, 19 and 980 more, those/);
  assert.match(classDifference(many.slice(0, 21), ["a"])!, /, 18, 19 and 1 more, those/);
  assert.match(classDifference(many.slice(0, 20), ["a"])!, /, 18, 19, those/);
});

Deno.test("classDifference() has nothing to say of the same names, or where a side has none", () => {
  assert.equal(classDifference(["a", "b"], ["a", "b"]), undefined);
  assert.equal(classDifference(undefined, ["a"]), undefined);
  assert.equal(classDifference(["a"], undefined), undefined);
});
