import assert from "node:assert/strict";
import { formatTable } from "../../report/table.ts";

Deno.test("formatTable() aligns words left and numbers right", () => {
  assert.equal(
    formatTable(["engine", "frames/s"], [["tensorflow", 412], ["wasm", 9.5]]),
    [
      "engine      frames/s",
      "──────────  ────────",
      "tensorflow       412",
      "wasm             9.5",
    ].join("\n"),
  );
});

Deno.test("formatTable() refuses a row of another length", () => {
  assert.throws(
    () => formatTable(["a", "b"], [[1, 2], [3]]),
    new RangeError("Cannot lay out row 1: it has 1 cells for 2 headers"),
  );
});
