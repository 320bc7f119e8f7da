import assert from "node:assert/strict";
import { addCounts, describeCounts, readClosingLine, readJUnitReport } from "./test_counts.ts";

Deno.test("readJUnitReport() agrees with what deno test reports", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(
    `${folder}/sample_test.ts`,
    `Deno.test("passes & <more>", async (t) => void await t.step("one", () => {}));
     Deno.test({ name: "needs \\"x\\"", ignore: true, fn() {} });
     Deno.test("fails", () => { throw new Error("</testcase>"); });`,
  );
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-check", `--junit-path=${folder}/report.xml`, folder],
  }).output();
  const counts = readJUnitReport(await Deno.readTextFile(`${folder}/report.xml`));
  await Deno.remove(folder, { recursive: true });
  assert.equal(code, 1);
  assert.deepEqual(counts, { passed: 2, failed: 1, skipped: 1, skippedNames: ['needs "x"'] });
});

Deno.test("readClosingLine() takes the last line of counts", () => {
  const output = "1 passed, 0 failed, 0 skipped\nmore\n3754 passed, 2 failed, 10 skipped: why\n\n";
  assert.deepEqual(
    readClosingLine(output),
    { passed: 3754, failed: 2, skipped: 10, skippedNames: [] },
  );
  assert.equal(readClosingLine("killed"), undefined);
});

Deno.test("addCounts() and describeCounts() make one line of several runs", () => {
  const total = addCounts(
    { passed: 2, failed: 0, skipped: 1, skippedNames: ["a"] },
    { passed: 3, failed: 1, skipped: 1, skippedNames: ["b"] },
  );
  assert.equal(describeCounts(total), "5 passed, 1 failed, 2 skipped");
  assert.deepEqual(total.skippedNames, ["a", "b"]);
});
