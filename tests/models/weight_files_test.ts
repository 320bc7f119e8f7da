import assert from "node:assert/strict";
import { readModuleSource } from "../../models/module_source.ts";

Deno.test("a model.json reads weights of its own folder alone, whatever paths it holds", async () => {
  const root = await Deno.makeTempDir();
  try {
    const folder = `${root}/net`;
    await Deno.mkdir(`${folder}/parts`, { recursive: true });
    await Deno.writeTextFile(`${root}/secret.bin`, "secret");
    await Deno.writeTextFile(`${folder}/a.bin`, "a");
    await Deno.writeTextFile(`${folder}/parts/b.bin`, "b");
    await Deno.symlink("parts/b.bin", `${folder}/within.bin`);
    await Deno.symlink("../secret.bin", `${folder}/out.bin`);
    await Deno.symlink("..", `${folder}/up`);
    const read = async (...paths: unknown[]) => {
      const weightsManifest = [{ paths, weights: [] }];
      await Deno.writeTextFile(`${folder}/model.json`, JSON.stringify({ weightsManifest }));
      const { files } = await readModuleSource(`${folder}/model.json`);
      return files.slice(1).map((file) => file.slice(folder.length + 1));
    };
    const own = ["a.bin", "./parts/b.bin", "parts/../within.bin"];
    assert.deepEqual(await read(...own), ["a.bin", "parts/b.bin", "within.bin"]);
    const outside = [
      "../secret.bin",
      "parts/../../secret.bin",
      `${root}/secret.bin`,
      "out.bin",
      "up/secret.bin",
      "..",
      ".",
      "",
      "..\\secret.bin",
      "file:///etc/hostname",
      "a.bin\0",
      7,
    ];
    for (const path of outside) {
      await assert.rejects(read("a.bin", path), {
        name: "ModelError",
        message: `Cannot use --model ${folder}/model.json: it names weights at ` +
          `${JSON.stringify(path)}, outside its own folder; put the file beside it, and its name ` +
          "into weightsManifest",
      });
    }
    await assert.rejects(read("gone.bin"), { message: /gone\.bin, which .*: no such file$/ });
    // A folder that is itself reached by a link is the folder all the same.
    await Deno.symlink(folder, `${root}/link`);
    await read("a.bin", "within.bin");
    assert.equal((await readModuleSource(`${root}/link/model.json`)).files.length, 3);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
