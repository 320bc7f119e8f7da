import assert from "node:assert/strict";
import { type FaultyProxy, startFaultyProxy } from "../../benchmarks/faulty_proxy.ts";
import { delay, systemClock } from "../../net/clock.ts";

/** A server that sends back what it gets, behind a proxy. */
async function withEcho(body: (proxy: FaultyProxy) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      connection.readable.pipeTo(connection.writable).catch(() => {});
    }
  })();
  const proxy = startFaultyProxy({ port: listener.addr.port }, systemClock);
  try {
    await body(proxy);
  } finally {
    proxy.close();
    listener.close();
    await serving.catch(() => {});
  }
}

const connect = (proxy: FaultyProxy, name: string) =>
  Deno.connect({ hostname: "127.0.0.1", port: proxy.open(name) });

/** What comes back of three bytes, or null where the connection ends. */
async function echo(connection: Deno.Conn): Promise<number[] | null> {
  await connection.write(Uint8Array.of(1, 2, 3));
  const answer = new Uint8Array(8);
  const count = await connection.read(answer);
  return count === null ? null : [...answer.subarray(0, count)];
}

for (const direction of ["toServer", "toClient"] as const) {
  Deno.test(`a way that is stalled ${direction} passes everything on once it is healed`, () =>
    withEcho(async (proxy) => {
      using a = await connect(proxy, "a");
      using b = await connect(proxy, "b");
      assert.deepEqual(await echo(a), [1, 2, 3]);
      proxy.stall("a", [direction]);
      const answer = echo(a);
      const isHeld = await Promise.race([
        answer.then(() => false),
        delay(systemClock, 50).then(() => true),
      ]);
      assert.ok(isHeld);
      // Another process's way is as it was.
      assert.deepEqual(await echo(b), [1, 2, 3]);
      proxy.heal("a");
      assert.deepEqual(await answer, [1, 2, 3]);
    }));
}

Deno.test("a cut ends the connections that there are, and takes new ones", () =>
  withEcho(async (proxy) => {
    using before = await connect(proxy, "a");
    assert.deepEqual(await echo(before), [1, 2, 3]);
    proxy.cut("a");
    assert.equal(await before.read(new Uint8Array(1)).catch(() => null), null);
    using after = await connect(proxy, "a");
    assert.deepEqual(await echo(after), [1, 2, 3]);
  }));

Deno.test("a client of a server that is gone gets an end, not a wait", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const proxy = startFaultyProxy({ port }, systemClock);
  using connection = await connect(proxy, "a");
  assert.equal(await connection.read(new Uint8Array(1)).catch(() => null), null);
  proxy.close();
});
