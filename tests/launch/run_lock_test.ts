import assert from "node:assert/strict";
import { discardUnstarted } from "../../launch/run_lock.ts";

const early = ["run.json", "metrics.jsonl", "journal.jsonl", "training.png"];

async function left(files: readonly string[]): Promise<string[] | undefined> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/run/checkpoints`, { recursive: true });
    for (const name of files) await Deno.writeTextFile(`${folder}/run/${name}`, "");
    await discardUnstarted(`${folder}/run`);
    const [run] = [...Deno.readDirSync(folder)];
    return run && [...Deno.readDirSync(`${folder}/run`)].map(({ name }) => name);
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
