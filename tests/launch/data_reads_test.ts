import assert from "node:assert/strict";
import { dataReads, fewFolders } from "../../launch/data_reads.ts";

Deno.test("dataReads() names what links in the data lead to", async () => {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "lockstep-reads-" }));
  try {
    for (const folder of ["data/v1", "elsewhere/v2/deep", "elsewhere/v3", "hidden"]) {
      await Deno.mkdir(`${path}/${folder}`, { recursive: true });
    }
    await Deno.writeTextFile(`${path}/elsewhere/v3/1.png`, "x");
    await Deno.symlink("../elsewhere/v2", `${path}/data/v2`);
    await Deno.symlink("../../elsewhere/v3/1.png", `${path}/data/v1/1.png`);
    await Deno.symlink("v1", `${path}/data/same`);
    await Deno.symlink("../hidden", `${path}/data/.hidden`);
    await Deno.symlink("data", `${path}/link`);
    assert.deepEqual(await dataReads([`${path}/link`, `${path}/absent`]), [
      ...[`${path}/link`, `${path}/data`, `${path}/absent`],
      ...[`${path}/elsewhere/v2`, `${path}/elsewhere/v3`],
    ]);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("fewFolders() leaves out what lies in others, and takes folders above where there are many", () => {
  assert.deepEqual(fewFolders(["/a/b", "/a", "/ab", "/a/c"], 9), ["/a", "/ab"]);
  assert.deepEqual(fewFolders(["/a/b/1", "/a/b/2", "/a/c/3"], 2), ["/a/b", "/a/c"]);
  assert.deepEqual(fewFolders(["/a/1", "/b/2", "/c/3"], 2), ["/"]);
  assert.deepEqual(fewFolders([], 1), []);
});
