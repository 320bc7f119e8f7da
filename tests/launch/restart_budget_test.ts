import assert from "node:assert/strict";
import { memoryHint, memoryKills } from "../../launch/memory_kills.ts";
import {
  countFruitless,
  type FruitlessRestarts,
  planRestart,
} from "../../launch/restart_budget.ts";
import { newestStep } from "../../launch/run_progress.ts";

const limits = { restartsMax: 4, withinMs: 100_000, delayMs: 100, delayMsMax: 500 };

/** Delays of restarts at these times; undefined where there is none any more. */
function delays(times: readonly number[]): (number | undefined)[] {
  let before: readonly number[] = [];
  return times.map((nowMs) => {
    const plan = planRestart(before, nowMs, limits);
    before = plan?.timesMs ?? before;
    return plan?.delayMs;
  });
}

Deno.test("planRestart() waits for longer where one end follows the other, and then gives up", () => {
  assert.deepEqual(delays([0, 1_000, 2_000, 4_000, 4_100]), [100, 200, 400, 500, undefined]);
  // One that runs for two seconds from its start was well.
  assert.deepEqual(delays([0, 2_100, 4_100, 30_000]), [100, 100, 200, 100]);
});

Deno.test("planRestart() forgets what is long ago: a run of weeks may see more ends than that", () => {
  const times = Array.from({ length: 1000 }, (_, index) => index * 25_100);
  assert.deepEqual(new Set(delays(times)), new Set([100]));
  assert.deepEqual(delays([0, 10_000, 20_000, 30_000, 100_099, 100_100]), [
    ...[100, 100, 100, 100],
    ...[undefined, 100],
  ]);
});

Deno.test("countFruitless() counts ends at the same point, and begins anew where a run came further", () => {
  let counted: FruitlessRestarts = { step: 20, counts: new Map() };
  const counts = [20, 20, 20, 21, 12, 21, 30, 30].map((step) =>
    (counted = countFruitless(counted, "w0", step)).counts.get("w0")
  );
  assert.deepEqual(counts, [1, 2, 3, 1, 2, 3, 1, 2]);
});

Deno.test("countFruitless() takes what ends all processes at once for one end of each", () => {
  const places = ["coordinator", ...Array.from({ length: 64 }, (_, index) => `w${index}`)];
  let counted: FruitlessRestarts = { step: 0, counts: new Map() };
  for (let kills = 0; kills < 3; kills++) {
    for (const place of places) counted = countFruitless(counted, place, 7);
  }
  // One of them goes on to end.
  for (let more = 0; more < 3; more++) counted = countFruitless(counted, "w3", 7);
  assert.equal(Math.max(...places.map((place) => counted.counts.get(place)!)), 6);
  assert.deepEqual(places.filter((place) => counted.counts.get(place) !== 3), ["w3"]);
  // Whoever ends first after the run came further begins for all of them.
  counted = countFruitless(counted, "w1", 8);
  assert.deepEqual([...counted.counts], [["w1", 1]]);
});

Deno.test("newestStep() is the newest step of a run's log, however long it is", async () => {
  const out = await Deno.makeTempDir();
  try {
    assert.equal(newestStep(out), 0);
    const line = (step: number) => `{"step":${step},"loss":0.5,"note":"${"x".repeat(100)}"}\n`;
    const lines = Array.from({ length: 2_000 }, (_, index) => line(index + 1));
    await Deno.writeTextFile(`${out}/metrics.jsonl`, lines.join("") + '{"step":20');
    // A torn last line may hold a part of a number.
    assert.equal(newestStep(out), 2_000);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
});

Deno.test("memoryHint() tells what the kernel counted, and asks where it counted nothing", () => {
  const files: Record<string, string> = {
    "/sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 4\noom_group_kill 0\n",
    "/proc/vmstat": "nr_free_pages 1\noom_kill 2\n",
  };
  const read = (path: string) => files[path] ?? assert.fail("not there");
  assert.equal(memoryKills(read), 4);
  assert.equal(memoryKills(() => assert.fail("none")), undefined);
  const advice = "; give it more, or lower --workers, --lanes or --size";
  assert.equal(memoryHint("SIGKILL", undefined, undefined), `; out of memory?${advice}`);
  assert.equal(memoryHint("SIGKILL", 4, 4), `; out of memory?${advice}`);
  assert.equal(
    memoryHint("SIGKILL", 2, 4),
    "; out of memory: the kernel has killed 2 processes for want of it since the run began" +
      advice,
  );
  assert.equal(memoryHint("SIGXFSZ", 2, 4), "");
});
