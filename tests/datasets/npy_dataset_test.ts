import assert from "node:assert/strict";
import { DatasetError, type Split } from "../../datasets/dataset.ts";
import { openNpyDataset } from "../../datasets/npy_dataset.ts";
import { npyBytes } from "./npy_bytes.ts";
import { withFolder } from "./temporary_folder.ts";

const splits: readonly Split[] = ["train", "validation", "test"];

Deno.test("openNpyDataset() reads uint8 and float32, with and without channels", async () => {
  const count = 10 * 4 * 2 * 3;
  const numbers = Float32Array.from({ length: count * 2 }, (_, i) => i / 7);
  const files = {
    "bytes.npy": npyBytes({
      shape: [10, 4, 2, 3],
      data: Uint8Array.from({ length: count }, (_, i) => i % 256),
    }),
    "floats.npy": npyBytes({
      shape: [10, 4, 2, 3, 2],
      dtype: "<f4",
      data: new Uint8Array(numbers.buffer),
    }),
  };
  await withFolder(files, async (folder) => {
    const bytes = await openNpyDataset(`${folder}/bytes.npy`);
    const floats = await openNpyDataset(`${folder}/floats.npy`);
    assert.deepEqual([bytes.frameShape, floats.frameShape], [[2, 3, 1], [2, 3, 2]]);
    assert.deepEqual(splits.map((split) => bytes.catalogue(split, 0).length), [8, 1, 1]);
    assert.deepEqual(bytes.catalogue("test", 0), [{ id: "test/000009", frames: 4 }]);
    const request = { split: "validation", epoch: 0, sequence: 0, offset: 1, frames: 2 } as const;
    const first = (8 * 4 + 1) * 6;
    assert.deepEqual(
      await bytes.read(request),
      Float32Array.from({ length: 12 }, (_, i) => ((first + i) % 256) / 255),
    );
    assert.deepEqual(await floats.read(request), numbers.slice(first * 2, first * 2 + 24));
    bytes.close();
    floats.close();
  });
});

Deno.test("openNpyDataset() says what is wrong with shape, type and values", async () => {
  const bad = new Float32Array(3 * 2 * 2 * 2);
  bad[13] = NaN;
  const files = {
    "flat.npy": npyBytes({ shape: [6, 4], data: new Uint8Array(24) }),
    "two.npy": npyBytes({ shape: [2, 1, 2, 2], data: new Uint8Array(8) }),
    "doubles.npy": npyBytes({ shape: [3, 1, 1, 1], dtype: "<f8", data: new Uint8Array(24) }),
    "nan.npy": npyBytes({ shape: [3, 2, 2, 2], dtype: "<f4", data: new Uint8Array(bad.buffer) }),
  };
  await withFolder(files, async (folder) => {
    const refused = (name: string, message: RegExp) =>
      assert.rejects(
        openNpyDataset(`${folder}/${name}`),
        (error) =>
          error instanceof DatasetError && error.message.includes(name) &&
          message.test(error.message),
      );
    await refused("flat.npy", /expected shape \(sequences, frames.*found \(6, 4\)/);
    await refused("two.npy", /found 2, at least 3/);
    await refused("doubles.npy", /expected '\|u1' \(uint8\) or '<f4' \(float32\)/);
    const dataset = await openNpyDataset(`${folder}/nan.npy`);
    await assert.rejects(
      dataset.read({ split: "validation", epoch: 0, sequence: 0, offset: 0, frames: 2 }),
      /sequence 1 holds NaN in its frame 1/,
    );
    dataset.close();
  });
});
