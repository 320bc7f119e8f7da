import assert from "node:assert/strict";
import { Interruption } from "../../worker/interruption.ts";

Deno.test("Interruption.race gives what comes first, and the first reason counts", async () => {
  const interruption = new Interruption();
  assert.equal(await interruption.race(Promise.resolve(3)), 3);
  await assert.rejects(interruption.race(Promise.reject(new Error("its own"))), /its own/);
  const waiting = interruption.race(new Promise(() => {}));
  interruption.interrupt(new Error("first"));
  interruption.interrupt(new Error("second"));
  await assert.rejects(waiting, /first/);
  assert.equal(interruption.reason?.message, "first");
  // Work that fails after it is nobody's concern any more.
  await assert.rejects(interruption.race(Promise.reject(new Error("late"))));
});

Deno.test("Interruption calls each listener once, and not those that were taken back", () => {
  const interruption = new Interruption();
  const heard: string[] = [];
  interruption.onInterrupt(({ message }) => heard.push(`a ${message}`));
  const takeBack = interruption.onInterrupt(({ message }) => heard.push(`b ${message}`));
  takeBack();
  interruption.interrupt(new Error("now"));
  interruption.interrupt(new Error("again"));
  interruption.onInterrupt(({ message }) => heard.push(`c ${message}`));
  assert.deepEqual(heard, ["a now", "c now"]);
});
