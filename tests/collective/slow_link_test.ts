import assert from "node:assert/strict";
import { join } from "node:path";
import { startFaultyProxy } from "../../benchmarks/faulty_proxy.ts";
import { createAllReduce } from "../../collective/all_reduce.ts";
import { systemClock } from "../../net/clock.ts";
import { connectNats } from "../../net/nats_transport.ts";
import type { Transport } from "../../net/transport.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";

const pendingBytesMax = 4 << 20;
const receiveBytesMax = pendingBytesMax / 4;
const elements = 2_000_000;
const slowRank = 1;

/** What others have sent to the slow rank and it has not had, wherever it waits; and the most ever. */
class Backlog {
  bytes = 0;
  bytesMax = 0;

  watch(transport: Transport, rank: number): Transport {
    const add = (bytes: number) => {
      this.bytes += bytes;
      this.bytesMax = Math.max(this.bytesMax, this.bytes);
    };
    return {
      ...bound(transport),
      publish(subject, data) {
        transport.publish(subject, data);
        if (rank !== slowRank && /\.(total|reduce\.1|total\.1)$/.test(subject)) add(data.length);
      },
      subscribe: (subject, callback) =>
        transport.subscribe(subject, (message) => {
          if (rank === slowRank && !subject.includes(".credit.")) add(-message.data.length);
          callback(message);
        }),
    };
  }
}

function bound(transport: Transport): Transport {
  return {
    payloadBytesMax: transport.payloadBytesMax,
    closed: transport.closed,
    publish: (subject, data) => transport.publish(subject, data),
    subscribe: (subject, callback) => transport.subscribe(subject, callback),
    request: (subject, data, options) => transport.request(subject, data, options),
    flush: () => transport.flush(),
    close: () => transport.close(),
  };
}

Deno.test({
  name: "through a nats-server a slow link slows the sum, and nobody is cut off",
  ignore: natsServerMissing,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-slow-link-" });
    const log = join(folder, "nats-server.log");
    const server = await startTestServer({
      config: `max_pending: ${pendingBytesMax}\nlog_file: ${JSON.stringify(log)}`,
    });
    const proxy = startFaultyProxy(server, systemClock);
    const slowPort = proxy.open("slow");
    const backlog = new Backlog();
    const members = ["w0", "w1", "w2"];
    const transports = await Promise.all(members.map((name, rank) =>
      connectNats({
        servers: rank === slowRank ? `nats://127.0.0.1:${slowPort}` : server.url,
        name,
        noEcho: true,
      })
    ));
    try {
      const ended: string[] = [];
      for (const [rank, { closed }] of transports.entries()) {
        closed.then((reason) => ended.push(`${members[rank]}: ${reason?.message}`));
      }
      const ranks = transports.map((transport, rank) =>
        createAllReduce({
          transport: backlog.watch(transport, rank),
          clock: systemClock,
          subjectPrefix: "run",
          rank,
          members,
          owners: [0, 1, 2],
          elements,
          generation: 1,
          firstStep: 0,
          receiveBytesMax,
          timeoutMs: 30_000,
        })
      );
      await Promise.all(ranks.map((each) => each.ready()));
      proxy.limit("slow", 10_000_000);
      const gradients = members.map((_, rank) =>
        Float32Array.from({ length: elements }, (_, i) => rank + i % 1000)
      );
      for (let step = 0; step < 2; step++) {
        const reductions = ranks.map((rank) => rank.begin(step));
        for (const [rank, reduction] of reductions.entries()) reduction.add(rank, gradients[rank]);
        for (const total of await Promise.all(reductions.map((reduction) => reduction.total()))) {
          assert.ok(total.every((value, i) => value === 3 + 3 * (i % 1000)));
        }
      }
      assert.deepEqual(ended, []);
      assert.doesNotMatch(await Deno.readTextFile(log), /slow consumer/i);
      // Full, or the link was not slow enough to say anything.
      const { bytesMax } = backlog;
      assert.ok(bytesMax <= receiveBytesMax && bytesMax > receiveBytesMax / 2, `${bytesMax}`);
      for (const { dropped } of ranks) {
        assert.equal(Object.values(dropped).reduce((a, b) => a + b), 0);
      }
    } finally {
      await Promise.all(transports.map((transport) => transport.close()));
      proxy.close();
      await server.stop();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
