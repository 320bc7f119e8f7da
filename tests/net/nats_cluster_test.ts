/** A connection finds a living server of a cluster, named or told of, whichever dies. */
import assert from "node:assert/strict";
import { brokerList, BrokerPool } from "../../net/broker_pool.ts";
import { connectNats } from "../../net/nats_transport.ts";
import { LoginRefusedError, type Transport } from "../../net/transport.ts";
import { startTestCluster } from "../support/nats_cluster.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import { transportError } from "./transport_conformance.ts";

/** Whether what one says the other hears. */
async function assertConnected(a: Transport, b: Transport): Promise<void> {
  const heard = Promise.withResolvers<string>();
  const subscription = b.subscribe(
    "x",
    ({ data }) => heard.resolve(new TextDecoder().decode(data)),
  );
  await b.flush();
  // Interest spreads through the cluster by itself: said again until it is heard.
  let isHeard = false;
  void heard.promise.then(() => isHeard = true);
  while (!isHeard) {
    a.publish("x", new TextEncoder().encode("hello"));
    await a.flush();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(await heard.promise, "hello");
  subscription.unsubscribe();
}

Deno.test({
  name: "connectNats goes from one server of a cluster to the next as they die, told of one",
  ignore: natsServerMissing,
  async fn() {
    const cluster = await startTestCluster();
    const pool = new BrokerPool([cluster.servers[0].url]);
    try {
      const ports = cluster.servers.map(({ port }) => port);
      let transport = await connectNats({ servers: pool, name: "test" });
      // The greeting may come before all have found each other; what comes later counts as well.
      while (pool.addresses.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
      assert.deepEqual(pool.addresses.map(({ port }) => port).sort(), [...ports].sort());
      const witness = await connectNats({ servers: cluster.servers[2].url, name: "witness" });
      await assertConnected(transport, witness);
      for (const dead of [0, 1]) {
        cluster.servers[dead].process.kill("SIGKILL");
        assert.match((await transport.closed)?.message ?? "", /^Lost the connection to nats:/);
        assert.notEqual(pool.addresses[0].port, ports[dead]);
        transport = await connectNats({ servers: pool, name: "test" });
        await assertConnected(transport, witness);
      }
      await Promise.all([transport.close(), witness.close()]);
    } finally {
      await cluster.stop();
    }
    await assert.rejects(
      connectNats({ servers: pool, name: "test" }),
      transportError(
        /^Cannot connect to any server of nats:\/\/127\.0\.0\.1:\d+: (nats:.*; ){1,2}nats:/,
      ),
    );
  },
});

Deno.test({
  name: "connectNats takes a list, and passes over the servers in it that are not there",
  ignore: natsServerMissing,
  async fn() {
    const server = await startTestServer({ config: "authorization { token: s3cret }" });
    const list = brokerList(`nats://127.0.0.1:1, ${server.url}, nats://127.0.0.1:2`);
    try {
      const credentials = { token: "s3cret" };
      const transport = await connectNats({ servers: list, name: "test", credentials });
      await transport.flush();
      await transport.close();
      // One that refuses would refuse again, and so would its whole cluster.
      await assert.rejects(
        connectNats({ servers: list, name: "test", credentials: { token: "wrong" } }),
        (error: Error) =>
          error instanceof LoginRefusedError && /^Cannot log in: nats:/.test(error.message) &&
          !error.message.includes("wrong"),
      );
    } finally {
      await server.stop();
    }
  },
});

Deno.test({
  name: "connectNats refuses a broker whose messages are too short for anything",
  ignore: natsServerMissing,
  async fn() {
    const server = await startTestServer({ config: "max_payload: 4096" });
    try {
      await assert.rejects(connectNats({ servers: server.url, name: "test" }), {
        message:
          `Cannot use the broker at ${server.url}: its max_payload is 4096 bytes, and at least 8192 ` +
          "are needed; raise it there",
      });
    } finally {
      await server.stop();
    }
  },
});
