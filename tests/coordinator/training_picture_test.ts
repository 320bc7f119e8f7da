import assert from "node:assert/strict";
import { decode } from "fast-png";
import { writeTrainingPicture } from "../../coordinator/training_picture.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { renderTrainingCurves } from "../../report/training_curves.ts";

const steps = [1, 2, 3].map((step) => ({ step, loss: 0.5 / step }));

async function written(log: string | undefined): Promise<{ path?: string; files: string[] }> {
  const folder = await Deno.makeTempDir();
  try {
    if (log !== undefined) await Deno.writeTextFile(`${folder}/metrics.jsonl`, log);
    const path = await writeTrainingPicture(folder, defaultRun);
    assert.ok(path === undefined || path === `${folder}/training.png`);
    if (path !== undefined) {
      const expected = renderTrainingCurves("moving-mnist, convlstm", steps);
      assert.deepEqual(decode(await Deno.readFile(path)).data, decode(expected).data);
    }
    return { path, files: [...Deno.readDirSync(folder)].map(({ name }) => name).sort() };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const text = (lines: readonly object[]) =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join("");

Deno.test("writeTrainingPicture() draws the log into the run's folder, but for a torn last line", async () => {
  const { files } = await written(`${text(steps)}{"step": 4, "lo`);
  assert.deepEqual(files, ["metrics.jsonl", "training.png"]);
});

Deno.test("writeTrainingPicture() leaves no picture before the first step", async () => {
  assert.equal((await written(undefined)).path, undefined);
  assert.equal((await written(text([{ step: 0, checkpoint: true }]))).path, undefined);
});

Deno.test("writeTrainingPicture() says which line of the log it cannot read", async () => {
  await assert.rejects(
    written(`nonsense\n${text(steps)}`),
    /Cannot read line 1 of ".*metrics.jsonl"/,
  );
});
