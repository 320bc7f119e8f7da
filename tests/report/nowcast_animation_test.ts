import assert from "node:assert/strict";
import { colourScale } from "../../report/colour_scale.ts";
import { renderNowcastAnimation } from "../../report/nowcast_animation.ts";
import { readGif } from "./gif_reader.ts";

Deno.test("renderNowcastAnimation() shows every forecast right of the truth, from the first one on", () => {
  const [side, inputFrames] = [8, 2];
  const flat = (value: number) => new Float32Array(side * side).fill(value);
  // Of four steps of the rain scale.
  const [seen, truth, first, second] = [0.45, 0.55, 0.65, 0.75];
  const gif = readGif(renderNowcastAnimation({
    ...{ title: "t", height: side, width: side, inputFrames, minutes: 5 },
    truth: [flat(seen), flat(seen), flat(truth)],
    forecasts: [{ name: "a", frames: [flat(first)] }, { name: "b", frames: [flat(second)] }],
  }));
  assert.equal(gif.frames.length, 3);
  assert.ok(gif.repeats);
  const rain = colourScale("rain");
  const columnOf = (frame: number, value: number) => {
    const [red, green, blue] = rain(value);
    const at = gif.frames[frame].colours.indexOf(red << 16 | green << 8 | blue);
    return at % gif.width;
  };
  // The legend has all colours, too, but lies below.
  const rows = (frame: number, value: number) => {
    const [red, green, blue] = rain(value);
    const colour = red << 16 | green << 8 | blue;
    return gif.frames[frame].colours.filter((each) => each === colour).length;
  };
  assert.equal(columnOf(2, truth), columnOf(0, seen));
  assert.equal(columnOf(2, first) - columnOf(2, truth), side + 8);
  assert.equal(columnOf(2, second) - columnOf(2, first), side + 8);
  assert.equal(rows(2, first) - rows(1, first), side * side);
  assert.equal(rows(2, second) - rows(1, second), side * side);
});
