import assert from "node:assert/strict";
import type { Clock } from "../../net/clock.ts";
import { formatDuration, ProgressLine, timeLeftMs } from "../../report/progress_line.ts";

class TestClock implements Clock {
  #nowMs = 0;
  #timers = new Map<() => void, number>();
  nowMs(): number {
    return this.#nowMs;
  }
  after(delayMs: number, action: () => void): () => void {
    this.#timers.set(action, this.#nowMs + delayMs);
    return () => void this.#timers.delete(action);
  }
  advance(durationMs: number): void {
    this.#nowMs += durationMs;
    for (const [action, dueMs] of [...this.#timers]) {
      if (dueMs <= this.#nowMs && this.#timers.delete(action)) action();
    }
  }
  get pending(): number {
    return this.#timers.size;
  }
}

function setUp(isTerminal: boolean, columns = 80) {
  const written: string[] = [];
  const clock = new TestClock();
  const output = {
    write: (text: string) => void written.push(text),
    isTerminal,
    columns: () => columns,
  };
  return { written, clock, line: new ProgressLine({ output, clock }) };
}

/** What a terminal's last line holds after these writes. */
function screenLine(written: readonly string[]): string {
  return written.join("").split("\n").at(-1)!.split("\r\x1b[2K").at(-1)!;
}

Deno.test("ProgressLine redraws a terminal at most every 100 ms and ends on the newest state", () => {
  const { written, clock, line } = setUp(true);
  for (let step = 0; step < 100; step++) {
    line.show(["epoch 1/3", `step ${step}/300`]);
    clock.advance(10);
  }
  assert.ok(written.length >= 9 && written.length <= 11, `drawn ${written.length} times`);
  clock.advance(100);
  assert.equal(screenLine(written), "epoch 1/3 · step 99/300");
});

Deno.test("ProgressLine draws a bar for a share and drops what does not fit", () => {
  const fields = ["tensorflow-cpu", "142 / 274 MB", "0:12 left"];
  const bar = "━".repeat(12) + "─".repeat(12);
  for (
    const [columns, expected] of [
      [80, `tensorflow-cpu  ${bar}  142 / 274 MB · 0:12 left`],
      [45, "tensorflow-cpu · 142 / 274 MB · 0:12 left"],
      [41, "tensorflow-cpu · 142 / 274 MB"],
      [20, "tensorflow-cpu"],
      [10, "tensorfl…"],
    ] as const
  ) {
    const { written, line } = setUp(true, columns);
    line.show(fields, 0.5);
    assert.equal(screenLine(written), expected);
  }
});

Deno.test("ProgressLine keeps printed lines above the live one and clears it at the end", () => {
  const { written, clock, line } = setUp(true);
  line.show(["epoch 1/3"]);
  line.print("checkpoint written");
  assert.equal(screenLine(written), "epoch 1/3");
  line.show(["epoch 2/3"]);
  line.end("done");
  assert.equal(clock.pending, 0);
  const lines = written.join("").split("\n").map((text) => text.split("\r\x1b[2K").at(-1));
  assert.deepEqual(lines, ["checkpoint written", "done", ""]);
});

Deno.test("ProgressLine writes plain lines every ten seconds where there is no terminal", () => {
  const { written, clock, line } = setUp(false);
  for (let step = 0; step < 25; step++) {
    line.show(["epoch 1/1", `step ${step}/25`], step / 25);
    clock.advance(1000);
  }
  line.print("validation loss 0.02");
  line.end("done");
  assert.deepEqual(written, [
    "epoch 1/1 · step 0/25\n",
    "epoch 1/1 · step 10/25\n",
    "epoch 1/1 · step 20/25\n",
    "validation loss 0.02\n",
    "done\n",
  ]);
});

Deno.test("formatDuration() writes minutes and hours, timeLeftMs() extrapolates the mean rate", () => {
  assert.deepEqual(
    [0, 42_400, 725_000, 11_220_000, Infinity].map(formatDuration),
    ["0:00", "0:42", "12:05", "3:07:00", "-:--"],
  );
  assert.equal(timeLeftMs(3000, 3, 10), 7000);
  assert.equal(timeLeftMs(3000, 0, 10), Infinity);
});
