import assert from "node:assert/strict";
import { type Walk, walkFolders } from "../../datasets/folder_walk.ts";

/** Empty files, and links as [where, to what]. */
async function withTree(
  files: readonly string[],
  links: readonly (readonly [string, string])[],
  test: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "lockstep-walk-" }));
  try {
    for (const file of files) {
      await Deno.mkdir(`${path}/${file.slice(0, file.lastIndexOf("/"))}`, { recursive: true });
      await Deno.writeFile(`${path}/${file}`, new Uint8Array(0));
    }
    for (const [where, target] of links) await Deno.symlink(target, `${path}/${where}`);
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

const foldersOf = (walk: Pick<Walk, "folders">) =>
  walk.folders.map(({ folder, names }) => [folder, [...names].sort()]);

Deno.test("walkFolders() passes over what archives and file managers leave", async () => {
  const files = [
    ...["data/v10/1.png", "data/v2/1.png", "data/v2/._1.png", "data/.hidden/1.png"],
    ...["data/__MACOSX/v2/._1.png", "data/@eaDir/v2/1.png", "data/v2/.thumbnails/1.png"],
  ];
  await withTree(files, [], async (path) => {
    const walk = await walkFolders(`${path}/data`);
    assert.deepEqual(foldersOf(walk), [["", []], ["v2", ["1.png"]], ["v10", ["1.png"]]]);
    assert.deepEqual(walk.notes, []);
  });
});

Deno.test("walkFolders() follows links, each real folder once, and says so", async () => {
  const files = ["data/v1/1.png", "data/z/2.png", "other/v3/3.png", "other/v3/deep/4.png"];
  const links = [
    ["data/v3", "../other/v3"],
    // Twice the same, first by name; what is in the tree itself is no link's.
    ["data/w3", "../other/v3"],
    ["data/a", "z"],
    ["data/lost", "../nowhere"],
    ["data/v1/2.png", "../z/2.png"],
    ["data/v1/3.png", "../nowhere.png"],
    // Around itself, in two ways.
    ["data/around", ".."],
    ["other/v3/back", "../v3"],
  ] as const;
  await withTree(files, links, async (path) => {
    const { folders, notes } = await walkFolders(`${path}/data`);
    assert.deepEqual(foldersOf({ folders }), [
      ["", []],
      ["v1", ["1.png", "2.png", "3.png"]],
      ["v3", ["3.png"]],
      ["v3/deep", ["4.png"]],
      ["z", ["2.png"]],
    ]);
    assert.match(notes[0], /^followed links to folders: "v3"$/);
    assert.match(notes[1], /^left out 5 such as "lost", a link that leads nowhere$/);
  });
  await withTree(["real/v1/1.png"], [["data", "real"]], async (path) => {
    const { folders } = await walkFolders(`${path}/data`);
    assert.deepEqual(folders.map(({ folder }) => folder), ["", "v1"]);
  });
  await withTree(["data/train/1.png"], [["data/val", "train"]], async (path) => {
    const { folders, notes } = await walkFolders(`${path}/data`);
    assert.deepEqual(folders.map(({ folder }) => folder), ["", "train"]);
    assert.deepEqual(notes, ['left out "val", which is "train" again']);
  });
});
