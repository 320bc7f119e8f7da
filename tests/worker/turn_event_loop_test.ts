import assert from "node:assert/strict";
import type { Dataset } from "../../datasets/dataset.ts";
import { planEpoch } from "../../datasets/plan.ts";
import type { Clock } from "../../net/clock.ts";
import { turnEventLoop } from "../../worker/turn_event_loop.ts";
import { frameSize, readWindows } from "../../worker/window_batch.ts";
import { noiseDataset } from "./small_run.ts";

/** A clock that work moves on, and the longest time that went by without a turn. */
function workClock(): Clock & { work(ms: number): void; longestMs(): number } {
  let nowMs = 0;
  let turnedMs = 0;
  let longestMs = 0;
  return {
    nowMs: () => nowMs,
    after(_, action) {
      turnedMs = nowMs;
      queueMicrotask(action);
      return () => {};
    },
    work(ms) {
      nowMs += ms;
      longestMs = Math.max(longestMs, nowMs - turnedMs);
    },
    longestMs: () => longestMs,
  };
}

Deno.test("turnEventLoop gives turns between pieces of work, whoever does them", async () => {
  const clock = workClock();
  const pause = turnEventLoop(clock);
  const piece = async () => {
    await pause();
    clock.work(7);
  };
  for (let each = 0; each < 100; each++) await piece();
  await Promise.all(Array.from({ length: 100 }, piece));
  assert.equal(clock.nowMs(), 1400);
  assert.ok(clock.longestMs() < 110, `${clock.longestMs()} ms without a turn`);
});

Deno.test("readWindows gives turns between lanes, in one shard and in many", async () => {
  const clock = workClock();
  const dataset: Dataset = {
    ...noiseDataset(),
    read({ frames }) {
      clock.work(7);
      return Promise.resolve(new Float32Array(frames * frameSize(noiseDataset())));
    },
  };
  const window = { frames: 3, advance: 2, predictions: 2, carriesState: true };
  const lanes = 64;
  const sequences = Array.from({ length: lanes }, (_, index) => ({ id: `${index}`, frames: 3 }));
  const plan = planEpoch({
    ...{ sequences, window, lanes },
    ...{ seed: 1, epoch: 0, shuffle: false },
  });
  const pause = turnEventLoop(clock);
  for (const lanesPerShard of [1, 16, 64]) {
    const source = {
      ...{ dataset, split: "train" as const, epoch: 0, plan, window, lanesPerShard },
      pause,
    };
    const before = clock.nowMs();
    const shards = Array.from({ length: lanes / lanesPerShard }, (_, shard) => shard);
    await Promise.all(shards.map((shard) => readWindows(source, 0, shard, 1)));
    assert.ok(clock.nowMs() - before > 100, "there was little to read");
  }
  assert.ok(clock.longestMs() < 110, `${clock.longestMs()} ms without a turn`);
});
