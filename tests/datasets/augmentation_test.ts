import assert from "node:assert/strict";
import { augmented } from "../../datasets/augmentation.ts";
import type { Dataset, ReadRequest } from "../../datasets/dataset.ts";
import { datasetOptions, openDataset } from "../../datasets/open_dataset.ts";
import { defaultRun } from "../../launch/run_flags.ts";

/** Frames whose pixels are all different: 2x2, value 4 * frame + pixel. */
const counting: Dataset = {
  name: "counting",
  frameShape: [2, 2, 1],
  description: "pixels that count",
  unit: "white",
  targetShape: [2, 2, 1],
  catalogue: () => Array.from({ length: 200 }, (_, i) => ({ id: `${i}`, frames: 3 })),
  read: ({ offset, frames }) =>
    Promise.resolve(Float32Array.from({ length: frames * 4 }, (_, i) => offset * 4 + i)),
  readTargets: ({ offset, frames }) =>
    Promise.resolve(Float32Array.from({ length: frames * 4 }, (_, i) => -(offset * 4 + i))),
  close() {},
};
const request: ReadRequest = { split: "train", epoch: 0, sequence: 0, offset: 0, frames: 3 };

async function turnsOf(dataset: Dataset, epoch = 0): Promise<string[]> {
  const found: string[] = [];
  for (let sequence = 0; sequence < 200; sequence++) {
    const values = await dataset.read({ ...request, epoch, sequence });
    const first = [...values.subarray(0, 4)];
    // The same turn for each frame, for each run of frames, and for the answers.
    assert.deepEqual([...values.subarray(4)], [
      ...first.map((v) => v + 4),
      ...first.map((v) => v + 8),
    ]);
    assert.deepEqual(
      await dataset.read({ ...request, epoch, sequence, offset: 1, frames: 2 }),
      values.subarray(4),
    );
    assert.deepEqual(
      [...await dataset.readTargets!({ ...request, epoch, sequence })].map((v) => -v),
      [...values],
    );
    found.push(first.join(""));
  }
  return found;
}

Deno.test("augmented() rotates by quarter turns: 4 pictures, none mirrored", async () => {
  const turns = await turnsOf(augmented(counting, { flips: false, rotations: true }, 1));
  assert.deepEqual([...new Set(turns)].sort(), ["0123", "1302", "2031", "3210"]);
});

Deno.test("augmented() flips rows and columns: 4 pictures", async () => {
  const turns = await turnsOf(augmented(counting, { flips: true, rotations: false }, 1));
  assert.deepEqual([...new Set(turns)].sort(), ["0123", "1032", "2301", "3210"]);
});

Deno.test("augmented() with both gives all 8 symmetries of the square, each as often", async () => {
  const dataset = augmented(counting, { flips: true, rotations: true }, 1);
  const turns = await turnsOf(dataset);
  const counts = Map.groupBy(turns, (turn) => turn);
  assert.equal(counts.size, 8);
  for (const [turn, same] of counts) assert.ok(same.length >= 10, `${turn}: ${same.length} of 200`);
  assert.notDeepEqual(await turnsOf(dataset, 1), turns, "drawn anew each epoch");
});

Deno.test("augmented() leaves validation and test alone, and cannot rotate what is not square", async () => {
  const dataset = augmented(counting, { flips: true, rotations: true }, 1);
  for (const split of ["validation", "test"] as const) {
    for (let sequence = 0; sequence < 20; sequence++) {
      const values = await dataset.read({ ...request, split, sequence, frames: 1 });
      assert.deepEqual([...values], [0, 1, 2, 3]);
    }
  }
  const wide = { ...counting, frameShape: [2, 4, 1] } as const;
  assert.throws(() => augmented(wide, { flips: false, rotations: true }, 1), /2x4 by quarter/);
  assert.equal(augmented(counting, { flips: false, rotations: false }, 1), counting);
});

Deno.test("openDataset() flips no moving points, whose answers tell up from down", async () => {
  const name = "moving-points";
  for (const turn of ["flips", "rotations"]) {
    await assert.rejects(
      openDataset({ ...defaultRun.dataset, name, options: { [turn]: true } }, 1),
      new RegExp(`Cannot use ${turn} with --dataset moving-points: .*ascending.*; leave it out`),
    );
  }
  assert.deepEqual(Object.keys(datasetOptions({ name })), ["rows", "columns", "courses"]);
  assert.throws(
    () => datasetOptions({ name, options: { flip: true } }),
    ({ message }: Error) => /choose from rows/.test(message) && !message.includes("flips"),
  );
});

Deno.test("options about recorded sequences are refused where they are generated", () => {
  for (const [name, option] of [["radar", "tile-step"], ["moving-mnist", "layout"]] as const) {
    const options = { [option]: option === "layout" ? "NTHW" : 8 };
    assert.throws(() => datasetOptions({ name, path: null, options }), {
      name: "OptionError",
      message:
        `Cannot use ${option} with --dataset ${name} where its sequences are generated: it ` +
        "is about recorded ones; name them with --data, or leave it out",
    });
    assert.ok(datasetOptions({ name, path: "there", options }));
  }
});
