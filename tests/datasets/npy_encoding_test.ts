import assert from "node:assert/strict";
import { openNpy } from "../../datasets/npy.ts";
import { encodeNpy } from "../../datasets/npy_encoding.ts";

Deno.test("encodeNpy writes what openNpy reads, for every rank", async () => {
  const path = await Deno.makeTempFile({ suffix: ".npy" });
  try {
    for (const shape of [[24], [4, 6], [2, 3, 4, 1], Array(12).fill(1).concat(24)]) {
      const values = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i) * 10 ** (i - 12));
      await Deno.writeFile(path, encodeNpy(values, shape));
      const file = await openNpy(path);
      assert.deepEqual(file.shape, shape);
      const bytes = await file.read(0, 24);
      file.close();
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      assert.deepEqual(values.map((_, i) => view.getFloat32(4 * i, true)), values);
      // NumPy aligns the data for memory mapping.
      assert.equal(((await Deno.stat(path)).size - 4 * 24) % 64, 0);
    }
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("encodeNpy refuses a shape of another size", () => {
  assert.throws(() => encodeNpy(new Float32Array(5), [2, 3]), {
    message: "Cannot write 5 values as an array of (2,3)",
  });
});
