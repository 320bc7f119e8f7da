import assert from "node:assert/strict";
import { DatasetError, type Split } from "../../datasets/dataset.ts";
import { openSevir } from "../../datasets/sevir.ts";
import { withFolder } from "./temporary_folder.ts";

const path = new URL("../fixtures/datasets/sevir", import.meta.url).pathname;
const file2018 = `${path}/vil/2018/SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5`;
const splits: readonly Split[] = ["train", "validation", "test"];

Deno.test("openSevir() splits events by the published dates and reads each one's frames", async () => {
  const dataset = await openSevir({ path, frameSize: [8, 8] });
  const ids = splits.map((split) => dataset.catalogue(split, 0).map(({ id }) => id));
  assert.deepEqual(ids, [
    ["sevir/S728503", "sevir/S728504"],
    ["sevir/S800001"],
    ["sevir/S800002", "sevir/S800003"],
  ]);
  assert.equal(dataset.catalogue("train", 0)[0].frames, 49);
  const read = await dataset.read({ split: "test", epoch: 0, sequence: 1, offset: 30, frames: 3 });
  const expected = Float32Array.from({ length: 3 * 64 }, (_, i) => {
    const [frame, row, column] = [30 + Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
    return ((4 * 60 + row * 7 + column * 3 + frame) % 256) / 255;
  });
  assert.deepEqual(read, expected);
  dataset.close();
});

Deno.test("openSevir() resizes frames, the mean of 2x2 pixels weighing most", async () => {
  const [full, half] = await Promise.all(
    [8, 4].map(async (side) => {
      const dataset = await openSevir({ path, frameSize: [side, side] });
      const values = await dataset.read({
        split: "train",
        epoch: 0,
        sequence: 0,
        offset: 0,
        frames: 1,
      });
      dataset.close();
      return values;
    }),
  );
  // The images of the first frame are planes, which any weighted mean keeps inside of the frame.
  const mean = (full[2 * 8 + 2] + full[3 * 8 + 3]) / 2;
  assert.ok(Math.abs(half[1 * 4 + 1] - mean) < 1e-6);
});

Deno.test("openSevir() without a catalogue splits by order and says so", async () => {
  const files = { "SEVIR_VIL_2018.h5": await Deno.readFile(file2018), "README.md": "x" };
  await withFolder(files, async (folder) => {
    await Deno.copyFile(
      `${path}/vil/2019/SEVIR_VIL_STORMEVENTS_2019_0101_0630.h5`,
      `${folder}/SEVIR_VIL_2019.h5`,
    );
    const dataset = await openSevir({ path: folder, frameSize: [8, 8] });
    assert.deepEqual(splits.map((split) => dataset.catalogue(split, 0).length), [3, 1, 1]);
    assert.match(dataset.description, /by the order of its files/);
    dataset.close();
  });
});

Deno.test("openSevir() names what is missing or broken", async () => {
  await withFolder({}, async (folder) => {
    await assert.rejects(
      openSevir({ path: folder, frameSize: [8, 8] }),
      (error) => error instanceof DatasetError && /no file of "vil"/.test(error.message),
    );
    const bytes = await Deno.readFile(file2018);
    await Deno.writeFile(`${folder}/vil.h5`, bytes.subarray(0, bytes.length - 1000));
    await assert.rejects(openSevir({ path: folder, frameSize: [8, 8] }), /vil\.h5.*truncated/);
    await Deno.writeFile(`${folder}/vil.h5`, bytes);
  });
});
