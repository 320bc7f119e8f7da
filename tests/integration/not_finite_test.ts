/**
 * Data that no step survives, in real runs: a pixel so bright that the loss of its step is infinite.
 */
import assert from "node:assert/strict";
import { listCheckpoints } from "../../coordinator/checkpoint_folder.ts";
import { readCheckpoint } from "../../coordinator/checkpoint.ts";
import { diskFileSystem } from "../../coordinator/file_system.ts";
import { isAllFinite } from "../../net/finite.ts";
import { npyBytes } from "../datasets/npy_bytes.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, engine, inFolder, run } from "./command.ts";

const ignore = natsServerMissing;
const [sequences, frames, side] = [10, 11, 8];
const small = [
  ...["--dataset", "npy", "--engine", engine, "--filters", "2", "--lanes", "4", "--window", "5"],
  ...["--dataset-options", "range=any", "--snapshot-steps", "3", "--checkpoint-steps", "1"],
];

/** Noise, and in both windows of these training sequences one bright pixel. */
async function writeSequences(path: string, bright: readonly number[]): Promise<void> {
  const size = frames * side * side;
  const values = Float32Array.from(
    { length: sequences * size },
    (_, index) => (index * 7919) % 256 / 255,
  );
  for (const sequence of bright) {
    for (const frame of [3, 8]) values[sequence * size + frame * side * side + 5] = 1e30;
  }
  await Deno.writeFile(
    path,
    npyBytes({
      shape: [sequences, frames, side, side],
      data: new Uint8Array(values.buffer),
      dtype: "<f4",
    }),
  );
}

/** @returns how many checkpoints there are */
async function assertFinite(runPath: string): Promise<number> {
  const places = await listCheckpoints(diskFileSystem, `${runPath}/checkpoints`);
  for (const { path } of places) {
    const { parameters, optimizer, states } = await readCheckpoint(diskFileSystem, path);
    for (const arrays of [parameters, optimizer, states]) {
      for (const { name, values } of arrays) assert.ok(isAllFinite(values), `${path}: ${name}`);
    }
  }
  return places.length;
}

Deno.test({
  name:
    "a step that is not finite is gone back for, then skipped, the same with 1, 2 and 3 workers",
  ignore,
  fn: inFolder(async (cwd) => {
    await writeSequences(`${cwd}/one.npy`, [3]);
    const results: Record<string, unknown>[] = [];
    for (const workers of [1, 2, 3]) {
      const out = `run${workers}`;
      const args = [...small, "--data", "one.npy", "--epochs", "1", "--on-nan", "rollback"];
      const { stdout, stderr, code } = await run(
        "train",
        [...args, "--workers", `${workers}`, "--out", out, "--json"],
        { cwd },
      );
      assert.equal(code, 0, stderr);
      assert.match(stderr, /\nStep \d+ was not applied, its loss is Infinity: back to step \d+\n/);
      const told = [...stderr.matchAll(/^Skipped step (\d+): its loss is Infinity$/gm)];
      const { parametersSha256, skippedSteps, steps } = JSON.parse(stdout);
      const skipped = [...new Set(told.map(([, step]) => step))];
      assert.equal(skippedSteps, skipped.length);
      assert.ok(skipped.length >= 2 && skipped.length < steps, `skipped ${skipped} of ${steps}`);
      results.push({ parametersSha256, skipped, steps });
      assert.ok(await assertFinite(`${cwd}/${out}`) > 0);
    }
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
  }),
});

Deno.test({
  name: "a run of which no step is finite gives up, with a checkpoint that is",
  ignore,
  fn: inFolder(async (cwd) => {
    await writeSequences(`${cwd}/all.npy`, [...Array(8).keys()]);
    const args = [...small, "--data", "all.npy", "--epochs", "20", "--on-nan", "skip"];
    assertSentence(
      await run("train", [...args, "--workers", "2", "--out", "run"], { cwd }),
      1,
      /Gave up at step \d+: 10 steps in a row were not finite, .*; go on from step \d+ with --resume/,
    );
    assert.ok(await assertFinite(`${cwd}/run`) > 0);
  }),
});

Deno.test({
  name: "a run whose first step is not finite says to start again, and leaves no folder to resume",
  ignore,
  fn: inFolder(async (cwd) => {
    await writeSequences(`${cwd}/all.npy`, [...Array(8).keys()]);
    const args = [...small, "--data", "all.npy", "--window", "11", "--steps", "2"];
    assertSentence(
      await run("train", [...args, "--workers", "1", "--out", "run"], { cwd }),
      1,
      /^Failed: .*Cannot apply step 1: .*; start again with --on-nan skip to leave it out, or start/,
    );
    await assert.rejects(Deno.stat(`${cwd}/run`), Deno.errors.NotFound);
  }),
});
