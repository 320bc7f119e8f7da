import assert from "node:assert/strict";
import { discardUnstarted } from "../../launch/run_lock.ts";

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
