import assert from "node:assert/strict";
import { firstWorkersEngine } from "../../coordinator/engine_choice.ts";
import { decode, encode } from "../../net/codec.ts";
import { protocolVersion, replySchema, workerSubjects } from "../../net/messages.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import { systemClock } from "../../net/clock.ts";

const { join } = workerSubjects("r", "w");
const asks = (change: Record<string, string | number> = {}) =>
  encode({ protocol: protocolVersion, where: "here", attempt: 0, ...change });

async function choose(
  say: (broker: ReturnType<typeof createMemoryBroker>) => Promise<void> | void,
  { waitMs = 10_000, isStopping = () => false }: {
    readonly waitMs?: number;
    readonly isStopping?: () => boolean;
  } = {},
) {
  const broker = createMemoryBroker({ clock: systemClock });
  try {
    const transport = broker.connect();
    const chosen = firstWorkersEngine({
      transport,
      run: "r",
      clock: systemClock,
      waitMs,
      isStopping,
    });
    await transport.flush();
    await say(broker);
    return await chosen;
  } finally {
    broker.stop();
  }
}

Deno.test("firstWorkersEngine takes what the first worker to ask has, and answers nobody", async () => {
  const engine = await choose((broker) => {
    const worker = broker.connect();
    worker.publish(join, asks({ engine: "wasm" }));
    worker.publish(join, asks({ engine: "tensorflow" }));
  });
  assert.equal(engine, "wasm");
});

Deno.test("firstWorkersEngine passes over what is no engine, and tells another version why", async () => {
  const engine = await choose(async (broker) => {
    const worker = broker.connect();
    worker.publish(join, new Uint8Array([1, 2, 3]));
    worker.publish(join, asks());
    worker.publish(join, asks({ engine: "abacus" }));
    const answer = await worker.request(join, asks({ protocol: 2, engine: "wasm" }), {
      timeoutMs: 5_000,
    });
    const { ok, text } = decode(answer, replySchema, { bytesMax: 10_000 });
    assert.equal(ok, false);
    assert.match(text, /^it speaks version 2 of the protocol/);
    worker.publish(join, asks({ engine: "tensorflow" }));
  });
  assert.equal(engine, "tensorflow");
});

Deno.test("firstWorkersEngine ends when it is stopped, when time is up and when the broker goes", async () => {
  assert.equal(await choose(() => {}, { isStopping: () => true }), undefined);
  assert.equal(await choose(() => {}, { waitMs: 1 }), undefined);
  await assert.rejects(choose((broker) => void broker.stop()), { name: "TransportError" });
});
