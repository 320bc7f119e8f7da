import assert from "node:assert/strict";
import { dataIdentity, identityOf } from "../../datasets/data_identity.ts";
import { withFolder } from "./temporary_folder.ts";

const bytes = (length: number, seed = 1) =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 17) % 251);

Deno.test("dataIdentity of one file is its size and the hash of all bytes, whatever its name", async () => {
  await withFolder(
    { "a.npy": bytes(3000), "b.npy": bytes(3000), "c.npy": bytes(3000, 2) },
    async (folder) => {
      const [a, b, c] = await Promise.all(
        ["a", "b", "c"].map((name) => dataIdentity([`${folder}/${name}.npy`])),
      );

      assert.equal(
        a,
        "1 file of 3,000 bytes, SHA-256 " + await sha256Of('["",3000]', bytes(3000)),
      );
      assert.equal(a, b);
      assert.notEqual(a, c);
    },
  );
});

Deno.test("dataIdentity of a folder tells one changed byte, a new name and a new file", async () => {
  const files = { "x.png": bytes(500), "y.png": bytes(700) };
  await withFolder(files, async (folder) => {
    const before = await dataIdentity([folder]);
    assert.match(before!, /^2 files of 1,200 bytes, SHA-256 [0-9a-f]{64}$/);
    await withFolder(files, async (copy) => assert.equal(await dataIdentity([copy]), before));
    await Deno.writeFile(`${folder}/.DS_Store`, bytes(10));
    await Deno.mkdir(`${folder}/__MACOSX`);
    await Deno.writeFile(`${folder}/__MACOSX/._x.png`, bytes(10));
    assert.equal(await dataIdentity([folder]), before);
    const changed = bytes(700);
    changed[699] ^= 1;
    await Deno.writeFile(`${folder}/y.png`, changed);
    assert.notEqual(await dataIdentity([folder]), before);
    await Deno.writeFile(`${folder}/y.png`, bytes(700));
    assert.equal(await dataIdentity([folder]), before);
    await Deno.rename(`${folder}/y.png`, `${folder}/z.png`);
    assert.notEqual(await dataIdentity([folder]), before);
  });
});

Deno.test("dataIdentity of large data says that it is a sample, and tells size, start and end", async () => {
  const limits = { wholeBytesMax: 100_000, sampleBytesMax: 16 * 4096 };
  const identity = async (content: Uint8Array<ArrayBuffer>) => {
    let found = "";
    await withFolder({ "d.h5": content }, async (folder) => {
      found = (await dataIdentity([`${folder}/d.h5`], limits))!;
    });
    return found;
  };
  const content = bytes(300_000);
  const before = await identity(content);
  assert.match(
    before,
    /^1 file of 300,000 bytes, SHA-256 of names, sizes and samples [0-9a-f]{64}$/,
  );
  assert.equal(await identity(bytes(300_000)), before);
  for (const at of [0, 4095, 299_999, 300_000 - 4096]) {
    const other = bytes(300_000);
    other[at] ^= 1;
    assert.notEqual(await identity(other), before, `byte ${at}`);
  }
  assert.notEqual(await identity(bytes(300_001)), before);
});

Deno.test("dataIdentity follows what a link leads to and names what is not there", async () => {
  await withFolder({ "d.npy": bytes(64) }, async (folder) => {
    await Deno.symlink(`${folder}/d.npy`, `${folder}/link.npy`);
    assert.equal(
      await dataIdentity([`${folder}/link.npy`]),
      await dataIdentity([`${folder}/d.npy`]),
    );
    await assert.rejects(
      dataIdentity([`${folder}/none.npy`]),
      /Cannot read ".*none\.npy": no such file/,
    );
  });
  await withFolder({ "d.npy": bytes(64) }, async (folder) => {
    for (let depth = 0; depth < 30; depth++) await Deno.symlink(folder, `${folder}/link-${depth}`);
    assert.match((await dataIdentity([folder]))!, /^1 file of 64 bytes, /);
  });
  assert.equal(await dataIdentity([]), undefined);
});

async function sha256Of(text: string, content: Uint8Array<ArrayBuffer>): Promise<string> {
  const blob = new Blob([text, content]);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())).toHex();
}

Deno.test("identityOf a dataset that lists its files is theirs alone, wherever their folder lies", async () => {
  const files = { "x.png": bytes(500), "y.png": bytes(700), "notes.txt": bytes(20) };
  const of = (folder: string) =>
    identityOf({ files: [`${folder}/y.png`, `${folder}/x.png`, `${folder}/x.png`] }, [folder]);
  await withFolder(files, async (folder) => {
    const before = await of(folder);
    assert.match(before!, /^2 files of 1,200 bytes, /);
    await Deno.writeFile(`${folder}/notes.txt`, bytes(30, 2));
    assert.equal(await of(folder), before);
    await withFolder(files, async (copy) => assert.equal(await of(copy), before));
    assert.notEqual(await identityOf({}, [folder]), before);
    await Deno.writeFile(`${folder}/x.png`, bytes(500, 2));
    assert.notEqual(await of(folder), before);
  });
});
