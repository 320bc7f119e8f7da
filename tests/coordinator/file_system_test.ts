import assert from "node:assert/strict";
import {
  diskFileSystem,
  ensureDirectory,
  replaceFile,
  writeNewFile,
} from "../../coordinator/file_system.ts";
import { openJournal } from "../../coordinator/journal.ts";

type Opened = Deno.FsFile;

/**
 * What the kernel is asked to make durable while `body` runs, as paths below its folder. Whether a disk
 * keeps its word only a power cut shows; whether it was asked shows here.
 */
async function synced(body: (folder: string) => Promise<void> | void): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  const [paths, asked] = [new WeakMap<Opened, string>(), [] as string[]];
  const { open, openSync } = Deno;
  const { sync, syncSync } = Deno.FsFile.prototype;
  const note = (file: Opened) => void asked.push(paths.get(file)!.slice(folder.length));
  try {
    Deno.open = async (path, options) => {
      const file = await open(path, options);
      paths.set(file, `${path}`);
      return file;
    };
    Deno.openSync = (path, options) => {
      const file = openSync(path, options);
      paths.set(file, `${path}`);
      return file;
    };
    Deno.FsFile.prototype.sync = async function () {
      await sync.call(this);
      note(this);
    };
    Deno.FsFile.prototype.syncSync = function () {
      syncSync.call(this);
      note(this);
    };
    await body(folder);
  } finally {
    Object.assign(Deno, { open, openSync });
    Object.assign(Deno.FsFile.prototype, { sync, syncSync });
    await Deno.remove(folder, { recursive: true });
  }
  return asked;
}

const bytes = new Uint8Array([1, 2, 3]);
const ignore = Deno.build.os === "windows";

Deno.test({
  name: "the real disk is asked to make a folder's names durable",
  ignore,
  async fn() {
    assert.deepEqual(await synced((folder) => diskFileSystem.syncDirectory(folder)), [""]);
  },
});

Deno.test({
  name: "a file's bytes are made durable before its name, and that before anybody goes on",
  ignore,
  async fn() {
    assert.deepEqual(
      await synced((folder) => writeNewFile(diskFileSystem, `${folder}/new`, bytes)),
      ["/new"],
    );
    assert.deepEqual(
      await synced((folder) => replaceFile(diskFileSystem, `${folder}/run.json`, bytes)),
      ["/run.json.partial", ""],
    );
    assert.deepEqual(
      await synced((folder) => ensureDirectory(diskFileSystem, `${folder}/a/b`)),
      ["", "/a"],
    );
  },
});

Deno.test({
  name: "a journal's name is made durable with its file, and each entry when it is written",
  ignore,
  async fn() {
    const entry = { generation: 1, members: ["w"], step: 0, restarts: 0 };
    const asked = await synced((folder) => {
      const journal = openJournal(`${folder}/journal.jsonl`);
      journal.append(entry);
      journal.append({ ...entry, generation: 2 });
      journal.close();
    });
    assert.deepEqual(asked, ["", "/journal.jsonl", "/journal.jsonl"]);
  },
});
