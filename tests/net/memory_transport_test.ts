import assert from "node:assert/strict";
import { systemClock } from "../../net/clock.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import { testTransport } from "./transport_conformance.ts";

testTransport({
  name: "memory transport",
  clock: systemClock,
  canBeDisturbed: false,
  startBroker() {
    const broker = createMemoryBroker({ clock: systemClock });
    return Promise.resolve({
      connect: (options) => Promise.resolve(broker.connect(options)),
      crash: () => Promise.resolve(broker.stop()),
      stop: () => Promise.resolve(broker.stop()),
    });
  },
});

Deno.test("createMemoryBroker() takes the payload limit it is given", () => {
  const transport = createMemoryBroker({ clock: systemClock, payloadBytesMax: 10 }).connect();
  assert.equal(transport.payloadBytesMax, 10);
  assert.throws(() => transport.publish("x", new Uint8Array(11)), /at most 10/);
});
