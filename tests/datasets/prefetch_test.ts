import assert from "node:assert/strict";
import { prefetch } from "../../datasets/prefetch.ts";

/** Reads that a test settles by hand, and what has been started so far. */
function controlled(count: number) {
  const started: number[] = [];
  const settle = Array.from({ length: count }, () => Promise.withResolvers<string>());
  const state = { iteratorClosed: false };
  function* reads() {
    try {
      for (let i = 0; i < count; i++) {
        yield () => {
          started.push(i);
          return settle[i].promise;
        };
      }
    } finally {
      state.iteratorClosed = true;
    }
  }
  return { started, settle, state, reads: reads() };
}

/** Lets every promise that can settle do so. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("prefetch() starts nothing before the first result is asked for", async () => {
  const { started, settle, reads } = controlled(3);
  const results = prefetch(reads, { aheadMax: 2 });
  await turn();
  assert.deepEqual(started, []);
  const first = results.next();
  await turn();
  assert.deepEqual(started, [0, 1]);
  settle.forEach(({ resolve }, i) => resolve(`${i}`));
  assert.equal((await first).value, "0");
  await results.return();
});

Deno.test("prefetch() keeps order and at most aheadMax reads started and not taken", async () => {
  const { started, settle, reads } = controlled(5);
  const results = prefetch(reads, { aheadMax: 3 });
  const first = results.next();
  settle[2].resolve("2");
  settle[1].resolve("1");
  await turn();
  assert.deepEqual(started, [0, 1, 2], "finished reads still count until they are taken");
  settle[0].resolve("0");
  assert.equal((await first).value, "0");
  assert.deepEqual(started, [0, 1, 2, 3], "the next read runs while the first result is used");
  assert.equal((await results.next()).value, "1");
  settle[3].resolve("3");
  settle[4].resolve("4");
  const rest = [];
  for await (const result of results) rest.push(result);
  assert.deepEqual(rest, ["2", "3", "4"]);
});

Deno.test("prefetch() throws a failure in its turn and starts no more reads", async () => {
  const { started, settle, state, reads } = controlled(6);
  const results = prefetch(reads, { aheadMax: 3 });
  const first = results.next();
  settle[1].reject(new Error("read 1 failed"));
  await turn();
  settle[0].resolve("0");
  assert.equal((await first).value, "0");
  const second = results.next();
  settle[2].resolve("2");
  settle[3].reject(new Error("a later failure stays unseen"));
  await assert.rejects(second, { message: "read 1 failed" });
  assert.deepEqual(started, [0, 1, 2, 3]);
  assert.ok(state.iteratorClosed);
  assert.deepEqual(await results.next(), { done: true, value: undefined });
});

Deno.test("prefetch() takes an exception of a read that never became a promise in its turn", async () => {
  const results = prefetch([
    () => Promise.resolve("0"),
    (): Promise<string> => {
      throw new Error("thrown at once");
    },
  ], { aheadMax: 2 });
  assert.equal((await results.next()).value, "0");
  await assert.rejects(results.next(), { message: "thrown at once" });
});

Deno.test("prefetch() that is stopped waits for the reads under way", async () => {
  const { started, settle, state, reads } = controlled(6);
  const results = prefetch(reads, { aheadMax: 2 });
  settle[0].resolve("0");
  await results.next();
  let stopped = false;
  const stop = results.return().then(() => stopped = true);
  await turn();
  assert.ok(!stopped, "reads 1 and 2 are still under way");
  settle[1].resolve("1");
  settle[2].reject(new Error("nobody asks for it any more"));
  await stop;
  assert.deepEqual(started, [0, 1, 2]);
  assert.ok(state.iteratorClosed);
});

Deno.test("prefetch() rejects a limit below 1", async () => {
  for (const aheadMax of [0, -1, 1.5, NaN]) {
    await assert.rejects(prefetch([], { aheadMax }).next(), RangeError);
  }
});
