import assert from "node:assert/strict";
import type { ReadRequest } from "../../datasets/dataset.ts";
import { planEpoch } from "../../datasets/plan.ts";
import { frameSize, readWindows } from "../../worker/window_batch.ts";
import { noiseDataset } from "./small_run.ts";

const window = { frames: 4, advance: 3, predictions: 3, carriesState: true };

Deno.test("readWindows reads each lane's window, its padding zero and without weight", async () => {
  const requests: ReadRequest[] = [];
  const dataset = noiseDataset({ onRead: (request) => void requests.push(request) });
  const [lanes, lanesPerShard] = [4, 2];
  const sequences = dataset.catalogue("train", 3);
  const plan = planEpoch({ sequences, window, lanes, seed: 5, epoch: 3, shuffle: true });
  const size = frameSize(dataset);
  const source = { dataset, split: "train" as const, epoch: 3, plan, window, lanesPerShard };
  let padded = 0;
  for (let step = 0; step < plan.steps; step++) {
    for (const shard of [0, 1]) {
      requests.length = 0;
      const batch = await readWindows(source, step, shard, 8);
      assert.deepEqual([batch.step, batch.shard], [step, shard]);
      assert.equal(batch.frames.length, lanesPerShard * window.frames * size);
      const tasks = plan.tasks(step).slice(shard * 2, shard * 2 + 2);
      // Nothing is read for a lane that has run dry.
      assert.equal(requests.length, tasks.filter(({ sequence }) => sequence >= 0).length);
      assert.ok(requests.every(({ epoch, split }) => epoch === 3 && split === "train"));
      for (const [lane, task] of tasks.entries()) {
        const start = lane * window.frames * size;
        const frames = batch.frames.subarray(start, start + window.frames * size);
        const { sequence, offset } = task;
        const read = sequence < 0
          ? new Float32Array(0)
          : await dataset.read({ split: "train", epoch: 3, sequence, offset, frames: task.frames });
        assert.deepEqual(frames.subarray(0, read.length), read);
        assert.ok(frames.subarray(read.length).every((value) => value === 0));
        if (sequence >= 0 && task.frames < window.frames) padded++;
        assert.equal(batch.resets[lane], task.reset ? 1 : 0);
        const weights = [0, 1, 2].map((index) => index < task.validPredictions ? 0.125 : 0);
        assert.deepEqual([...batch.weights.subarray(lane * 3, lane * 3 + 3)], weights);
      }
    }
  }
  assert.ok(padded > 0, "no window was padded");
});

Deno.test("readWindows passes on what a dataset fails with", async () => {
  const sound = noiseDataset();
  const failing = { ...sound, read: () => Promise.reject(new Error("frame 3 of a.h5 is torn")) };
  const sequences = sound.catalogue("train", 0);
  const plan = planEpoch({ sequences, window, lanes: 2, seed: 5, epoch: 0, shuffle: true });
  const source = {
    dataset: failing,
    split: "train" as const,
    epoch: 0,
    plan,
    window,
    lanesPerShard: 2,
  };
  await assert.rejects(readWindows(source, 0, 0, 1), { message: "frame 3 of a.h5 is torn" });
});
