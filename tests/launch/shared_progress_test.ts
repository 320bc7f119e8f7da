import assert from "node:assert/strict";
import { sequencesInWords } from "../../launch/evaluation_tables.ts";
import { progressLine, progressOfSlowest, readProgress } from "../../launch/shared_progress.ts";

Deno.test("progressOfSlowest() tells how far all are", () => {
  const told: string[] = [];
  const [one, two] = progressOfSlowest(2, (done, total) => told.push(`${done}/${total}`));
  one(1, 3);
  one(2, 3);
  assert.deepEqual(told, [], "the other one has not begun");
  two(1, 3);
  two(2, 3);
  two(3, 3);
  one(3, 3);
  assert.deepEqual(told, ["1/3", "2/3", "3/3"]);
});

/** In parts that break lines, and characters of two bytes, anywhere. */
function inParts(text: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(text);
  return ReadableStream.from(
    Array.from({ length: Math.ceil(bytes.length / 5) }, (_, i) => bytes.slice(5 * i, 5 * i + 5)),
  );
}

Deno.test("readProgress() hears steps as they come and keeps the rest", async () => {
  const steps: number[][] = [];
  const text = `Überall\n${progressLine(1, 2)}Failed: no progress 1/2\n${
    progressLine(2, 2)
  }at last`;
  const rest = await readProgress(inParts(text), (...step) => steps.push(step));
  assert.deepEqual(steps, [[1, 2], [2, 2]]);
  assert.equal(rest, "Überall\nFailed: no progress 1/2\nat last");
});

Deno.test("readProgress() keeps the end of what a process says without end", async () => {
  const lines = "a line that says nothing\n".repeat(10_000);
  const rest = await readProgress(inParts(`${lines}Failed: why\n`), () => {});
  assert.ok(rest.endsWith("\nFailed: why\n") && rest.length <= 16_384);
});

Deno.test("sequencesInWords() counts sequences and their frames", () => {
  const words = (...frames: number[]) => sequencesInWords(frames.map((each) => ({ frames: each })));
  assert.equal(words(1), "1 sequence of 1 frame");
  assert.equal(words(5, 5), "2 sequences of 5 frames");
  assert.equal(words(5, 7, 4), "3 sequences of 4 to 7 frames");
});
