import assert from "node:assert/strict";
import { fileNames, predictionFolder, sequenceLabel } from "../../launch/prediction_files.ts";
import { withFolder } from "../datasets/temporary_folder.ts";

Deno.test("fileNames() gives each sequence a name of its own that can be seen", () => {
  assert.deepEqual(fileNames(["test/000003", "a/b"], null), ["test-000003", "a-b"]);
  // A folder that is one video.
  assert.deepEqual(fileNames(["."], "/data/walk"), ["walk"]);
  assert.deepEqual(fileNames(["./part-0", "./part-1"], "/data/walk/"), [
    "walk-part-0",
    "walk-part-1",
  ]);
  assert.equal(sequenceLabel(".", "/data/walk"), "walk");
  assert.equal(sequenceLabel("a/.", "/data/walk"), "a/.");
  assert.deepEqual(fileNames([".cache/v", "."], "/data/.hidden"), ["_cache-v", "_hidden"]);
  // Two that would be one file, and those that have the names of other files.
  assert.deepEqual(fileNames(["a/b-c", "a-b/c", "A-B-C"], null), ["a-b-c", "a-b-c-2", "A-B-C-3"]);
  assert.deepEqual(fileNames(["test", "decoded"], null, ["test", "decoded"]), [
    "test-2",
    "decoded-2",
  ]);
  assert.deepEqual(fileNames(["a", "a-latent"], null), ["a", "a-latent-2"]);
  assert.deepEqual(fileNames(["a-latent", "A", "a"], null), ["a-latent", "A-2", "a-3"]);
  assert.deepEqual(fileNames(["a"], null, ["a-latent"]), ["a-2"]);
});

Deno.test("predictionFolder() never gives a folder that holds an earlier answer", async () => {
  await withFolder({}, async (folder) => {
    const usual = `${folder}/predictions/step-000010`;
    assert.equal(await predictionFolder(undefined, usual, ["a.npy"]), usual);
    assert.equal(await predictionFolder(undefined, usual, ["a.npy"]), `${usual}-2`);
    assert.equal(await predictionFolder(undefined, usual, ["a.npy"]), `${usual}-3`);
    const own = `${folder}/own/of/mine`;
    assert.equal(await predictionFolder(own, usual, ["a.npy"]), own);
    await Deno.writeTextFile(`${own}/notes.txt`, "kept");
    assert.equal(await predictionFolder(own, usual, ["a.npy"]), own);
    await Deno.writeTextFile(`${own}/a.npy`, "an answer");
    await assert.rejects(predictionFolder(own, usual, ["b.npy", "a.npy"]), {
      name: "UsageError",
      message: `Cannot write predictions into ${own}: it holds a.npy already; name another ` +
        "folder with --out, or move that file away",
    });
    // A link that leads nowhere is there too.
    await Deno.symlink("nowhere", `${own}/b.npy`);
    await assert.rejects(predictionFolder(own, usual, ["b.npy"]), /holds b\.npy already/);
  });
});
