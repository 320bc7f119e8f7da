import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { discardUnstarted, lockRunFolder } from "../../launch/run_lock.ts";

const early = ["run.json", "metrics.jsonl", "journal.jsonl", "training.png"];

async function left(
  files: readonly string[],
  { checkpoints = [] as number[], metrics = "" } = {},
): Promise<string[] | undefined> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/run/checkpoints`, { recursive: true });
    for (const name of files) {
      await Deno.writeTextFile(`${folder}/run/${name}`, name === "metrics.jsonl" ? metrics : "");
    }
    for (const step of checkpoints) {
      const path = `${folder}/run/checkpoints/step-${`${step}`.padStart(6, "0")}`;
      await Deno.mkdir(path);
      await Deno.writeTextFile(`${path}/manifest.json`, "{}");
    }
    await discardUnstarted(`${folder}/run`);
    const [run] = [...Deno.readDirSync(folder)];
    return run && [...Deno.readDirSync(`${folder}/run`)].map(({ name }) => name).sort();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("discardUnstarted() removes all that a run writes before its first checkpoint", async () => {
  assert.equal(await left(early), undefined);
});

Deno.test("discardUnstarted() leaves what a run does not write", async () => {
  assert.deepEqual(await left([...early, "notes.txt"]), ["notes.txt"]);
});

Deno.test("discardUnstarted() removes the first weights of a run that made no step", async () => {
  const metrics = '{"step":0,"checkpoint":true}\n';
  assert.equal(await left(early, { checkpoints: [0], metrics }), undefined);
});

Deno.test("discardUnstarted() leaves a run that made a step", async () => {
  const metrics = '{"step":0,"checkpoint":true}\n{"step":1,"loss":1}\n';
  const all = ["checkpoints", ...early].sort();
  assert.deepEqual(await left(early, { checkpoints: [0], metrics }), all);
  assert.deepEqual(await left(early, { checkpoints: [0, 20], metrics: "" }), all);
});

/** What another process comes to with a run's folder. */
async function tryElsewhere(out: string): Promise<string> {
  const script = `
    import { lockRunFolder } from ${
    JSON.stringify(import.meta.resolve("../../launch/run_lock.ts"))
  };
    try {
      using lock = await lockRunFolder(Deno.args[0]);
      console.log("locked");
    } catch (error) {
      console.log(error.message);
    }`;
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, script);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...[
          "run",
          "-A",
          "--no-check",
          "--config",
          fileURLToPath(import.meta.resolve("../../deno.json")),
        ],
        ...[path, out],
      ],
      env: { NO_COLOR: "1" },
    }).output();
    return new TextDecoder().decode(stdout).trim();
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("lockRunFolder() gives a folder to one holder at a time, in this process or another", async () => {
  const folder = await Deno.makeTempDir();
  const out = `${folder}/run`;
  const refused = `Cannot use run folder ${out}: another process trains in it; wait for its end, ` +
    "or choose another folder with --out";
  try {
    const lock = await lockRunFolder(out);
    await assert.rejects(lockRunFolder(out), { message: refused });
    assert.equal(await tryElsewhere(out), refused);
    // What nobody has begun is left alone while somebody is about to.
    await discardUnstarted(out);
    assert.ok((await Deno.stat(out)).isDirectory);
    lock[Symbol.dispose]();
    assert.equal(await tryElsewhere(out), "locked");
    using again = await lockRunFolder(out);
    assert.ok(again);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
