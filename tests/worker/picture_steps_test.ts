import assert from "node:assert/strict";
import { isPictureStep } from "../../worker/picture_steps.ts";

const stepsUpTo = (last: number, every: number | null) =>
  Array.from({ length: last }, (_, i) => i + 1).filter((step) => isPictureStep(step, every));

Deno.test("isPictureStep() draws as often as asked for, and never without end", () => {
  assert.deepEqual(stepsUpTo(100, 30), [30, 60, 90]);
  assert.deepEqual(stepsUpTo(100, null), []);
  assert.equal(stepsUpTo(512, 1).length, 512);
  // From there on 256 more each time that the steps double.
  assert.deepEqual(stepsUpTo(520, 1).slice(-4), [514, 516, 518, 520]);
  assert.equal(stepsUpTo(1024, 1).length, 512 + 256);
  assert.equal(stepsUpTo(2 ** 17, 1).length, 512 + 8 * 256);
  assert.equal(stepsUpTo(2 ** 17, 2).length, 512 + 7 * 256);
});
