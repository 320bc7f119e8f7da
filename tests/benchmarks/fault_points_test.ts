import assert from "node:assert/strict";
import {
  FaultPoints,
  joinPoints,
  stepPoints,
  watchTransport,
} from "../../benchmarks/fault_points.ts";
import { systemClock } from "../../net/clock.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";

Deno.test("a point of a step is counted from the next whole step on", () => {
  const faults = new FaultPoints(systemClock);
  faults.beginStep();
  faults.arm("in the middle of its totals");
  // The rest of the step in which it was armed.
  for (let chunk = 0; chunk < 5; chunk++) assert.equal(faults.isDue("total"), false);
  faults.beginStep();
  assert.deepEqual([1, 2, 3, 4].map(() => faults.isDue("total")), [false, false, true, false]);
  assert.equal(faults.isDue("partial"), false);
  faults.beginStep();
  assert.deepEqual([1, 2, 3].map(() => faults.isDue("total")), [false, false, true]);
});

Deno.test("a point between steps is counted at once, and no point is due before one is armed", () => {
  const faults = new FaultPoints(systemClock);
  assert.equal(faults.isDue("write"), false);
  faults.arm("in the upload of a snapshot");
  assert.deepEqual([1, 2].map(() => faults.isDue("write")), [false, true]);
  for (const name of Object.keys({ ...stepPoints, ...joinPoints })) faults.arm(name);
  assert.throws(() => faults.arm("now"), /Cannot die "now": there is no such point/);
});

Deno.test("a watched transport passes on what is not its point", async () => {
  const broker = createMemoryBroker({ clock: systemClock });
  const [sender, receiver] = [broker.connect(), broker.connect()];
  const faults = new FaultPoints(systemClock);
  faults.arm("in the middle of its totals");
  const watched = watchTransport(sender, faults);
  const heard: string[] = [];
  receiver.subscribe("lockstep.r.>", (message) => {
    heard.push(message.subject);
    message.respond(message.data);
  });
  await receiver.flush();
  watched.publish("lockstep.r.data.w0.total", Uint8Array.of(1));
  const answer = await watched.request("lockstep.r.from.w0.ready", Uint8Array.of(7), {
    timeoutMs: 1_000,
  });
  assert.deepEqual([...answer], [7]);
  assert.deepEqual(heard, ["lockstep.r.data.w0.total", "lockstep.r.from.w0.ready"]);
  await Promise.all([watched.close(), receiver.close()]);
});
