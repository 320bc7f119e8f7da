import assert from "node:assert/strict";
import { type ProcessTable, watchNpx } from "../../launch/npx_watch.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** As /proc has it: a name may hold spaces and brackets. */
function statOf(pid: number, parent: number, born: number, state = "S"): string {
  return `${pid} (a (strange) name) ${state} ${parent} ${"0 ".repeat(17)}${born} 0`;
}

function table(commands: Record<number, [parent: number, line: string]>) {
  const stats = new Map(
    Object.entries(commands).map(([pid, [parent]]) => [+pid, statOf(+pid, parent, 100 + +pid)]),
  );
  const processes: ProcessTable = {
    stat: (pid) => stats.get(pid),
    commandLine: (pid) => commands[pid]?.[1],
  };
  return { stats, processes };
}

const chain: Record<number, [number, string]> = {
  10: [1, "bash"],
  20: [10, "npm exec deno@2 task train"],
  30: [20, "sh -c deno task train"],
  40: [30, "deno task train"],
  50: [40, "deno run -A launch/train.ts"],
};

Deno.test("watchNpx() tells once when the npx above this process has ended", () => {
  const ends: ((stats: Map<number, string>) => void)[] = [
    (stats) => stats.delete(20),
    (stats) => stats.set(20, statOf(20, 10, 120, "Z")),
    // Its number is another process's now.
    (stats) => stats.set(20, statOf(20, 10, 999)),
  ];
  for (const end of ends) {
    const clock = new FakeClock();
    const { stats, processes } = table(chain);
    let gone = 0;
    watchNpx(clock, () => gone++, processes, 50);
    clock.advance(10_000);
    // Whoever started npx may go, as a shell does under nohup.
    stats.delete(10);
    clock.advance(10_000);
    assert.equal(gone, 0);
    end(stats);
    clock.advance(10_000);
    assert.equal(gone, 1);
  }
});

Deno.test("watchNpx() watches nobody where npx started nothing", () => {
  const clock = new FakeClock();
  const { processes } = table({ ...chain, 20: [10, "make train"] });
  watchNpx(clock, () => assert.fail("nobody is gone"), processes, 50);
  assert.equal(clock.pendingCount, 0);
});
