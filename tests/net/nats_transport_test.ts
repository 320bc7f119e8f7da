import assert from "node:assert/strict";
import { startFaultyProxy } from "../../benchmarks/faulty_proxy.ts";
import { systemClock } from "../../net/clock.ts";
import { connectNats } from "../../net/nats_transport.ts";
import { natsServerMissing, startTestServer, type TestServer } from "../support/nats_server.ts";
import { testTransport, transportError } from "./transport_conformance.ts";

testTransport({
  name: "NATS transport",
  ignore: natsServerMissing,
  clock: systemClock,
  canBeDisturbed: true,
  async startBroker({ pendingBytesMax } = { pendingBytesMax: 64 * 1024 * 1024 }) {
    const server = await startTestServer({ config: `max_pending: ${pendingBytesMax}` });
    const proxy = startFaultyProxy(server, systemClock);
    let ways = 0;
    return {
      connect: (options) => connectNats({ servers: server.url, name: "test", ...options }),
      async connectThrough(options) {
        const way = `way ${++ways}`;
        const servers = `nats://127.0.0.1:${proxy.open(way)}`;
        const directions = {
          up: ["toServer"],
          down: ["toClient"],
          both: ["toServer", "toClient"],
        } as const;
        return {
          transport: await connectNats({ servers, name: way, ...options }),
          stall: (direction) => proxy.stall(way, directions[direction]),
          heal: () => proxy.heal(way),
          cut: () => proxy.cut(way),
        };
      },
      async crash() {
        server.process.kill("SIGKILL");
        await server.process.status;
      },
      async stop() {
        proxy.close();
        await server.stop();
      },
    };
  },
});

/** Runs `body` beside a server. */
async function withServer(
  options: Parameters<typeof startTestServer>[0],
  body: (server: TestServer) => Promise<void>,
): Promise<void> {
  const server = await startTestServer(options);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

/** A peer that greets like a nats-server of `version`, and answers pings if told to. */
function fakeServer(greeting: string): { url: string; close(): Promise<void> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.TcpConn[] = [];
  const serving = (async () => {
    for await (const connection of listener) {
      connections.push(connection);
      await connection.write(new TextEncoder().encode(greeting));
      const buffer = new Uint8Array(4096);
      if ((await connection.read(buffer)) !== null) {
        await connection.write(new TextEncoder().encode("PONG\r\n"));
      }
    }
  })();
  return {
    url: `nats://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    async close() {
      listener.close();
      for (const connection of connections) connection.close();
      await serving.catch(() => {});
    },
  };
}

Deno.test("connectNats() says where nobody listens and what to start", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await assert.rejects(
    connectNats({ servers: `127.0.0.1:${port}`, name: "test" }),
    transportError(
      new RegExp(
        `^Cannot connect to nats://127.0.0.1:${port}: nobody listens there; start one with 'nats-server`,
      ),
    ),
  );
});

Deno.test("connectNats() refuses an address that is not one", async () => {
  for (
    const servers of ["nats://", "nats://host:notaport", "http://127.0.0.1:4222", "ws://a:4222"]
  ) {
    await assert.rejects(
      connectNats({ servers, name: "test" }),
      transportError(/expected nats:\/\/host:port$/),
    );
  }
});

Deno.test("connectNats() does not repeat the login of an address that is not one", async () => {
  for (const login of ["ann:s3cret", "ann:a@s3cret", "ann:a://s3cret", "s3cret"]) {
    for (const scheme of ["", "nats://", "tls://"]) {
      await assert.rejects(
        connectNats({ servers: `${scheme}${login}@host:notaport`, name: "test" }),
        (error: Error) => {
          assert.match(error.message, /expected nats:\/\/host:port$/);
          assert.ok(!`${error.message}${error.cause}`.includes("s3cret"), error.message);
          return true;
        },
      );
    }
  }
});

Deno.test("connectNats() refuses a server that is too old and names both versions", async () => {
  const server = fakeServer(
    'INFO {"server_id":"x","version":"2.10.7","proto":1,"max_payload":1048576,"headers":true}\r\n',
  );
  try {
    await assert.rejects(
      connectNats({ servers: server.url, name: "test" }),
      transportError(/^Cannot use nats-server 2\.10\.7 at nats:.*needs 2\.14\.3 or newer/),
    );
  } finally {
    await server.close();
  }
});

Deno.test("connectNats() gives up on a peer that is no nats-server, or speaks no TLS although it says so", async () => {
  const table: [string, RegExp][] = [
    ["SSH-2.0-OpenSSH_9.6\r\n", /^Cannot connect to nats:.*: the peer is not a nats-server$/],
    ["INFO {]\r\n", /the peer is not a nats-server$/],
    ["x".repeat(70_000), /the peer is not a nats-server$/],
    ['INFO {"version":"2.15.1","tls_required":true}\r\n', /no TLS with it: /],
  ];
  for (const [greeting, message] of table) {
    const server = fakeServer(greeting);
    try {
      await assert.rejects(
        connectNats({ servers: server.url, name: "test" }),
        transportError(message),
      );
    } finally {
      await server.close();
    }
  }
});

Deno.test("connectNats() gives up after connectTimeoutMs on a silent peer", async () => {
  const server = fakeServer("");
  try {
    await assert.rejects(
      connectNats({ servers: server.url, name: "test", connectTimeoutMs: 50 }),
      transportError(/no answer within 50 ms/),
    );
  } finally {
    await server.close();
  }
});

Deno.test({
  name: "connectNats() logs in with a token, a user or the address, and says when refused",
  ignore: natsServerMissing,
  async fn() {
    await withServer({ args: ["--auth", "s3cret"] }, async ({ url, port }) => {
      const accepted = await connectNats({
        servers: url,
        name: "test",
        credentials: { token: "s3cret" },
      });
      await accepted.close();
      await (await connectNats({ servers: `nats://s3cret@127.0.0.1:${port}`, name: "t" })).close();
      const refused = transportError(
        new RegExp(`^Cannot log in: nats://127.0.0.1:${port} refused the credentials`),
      );
      for (const credentials of [undefined, { token: "wrong" }]) {
        await assert.rejects(connectNats({ servers: url, name: "test", credentials }), refused);
      }
    });
    await withServer({ args: ["--user", "ann", "--pass", "p@ss"] }, async ({ url, port }) => {
      const credentials = { user: "ann", password: "p@ss" };
      await (await connectNats({ servers: url, name: "test", credentials })).close();
      await (await connectNats({ servers: `nats://ann:p%40ss@127.0.0.1:${port}`, name: "t" }))
        .close();
      await assert.rejects(
        connectNats({ servers: `nats://ann:wrong@127.0.0.1:${port}`, name: "test" }),
        (error: Error) => {
          assert.match(error.message, /^Cannot log in/);
          assert.doesNotMatch(error.message, /wrong/);
          return true;
        },
      );
    });
  },
});

Deno.test({
  name: "connectNats() ends the connection with the subject that the server does not permit",
  ignore: natsServerMissing,
  async fn() {
    const config = `authorization { users = [ { user: a, password: b, permissions: {
      publish: ["ok.>"], subscribe: ["ok.>", "_INBOX.>"] } } ] }`;
    await withServer({ config }, async ({ url }) => {
      const credentials = { user: "a", password: "b" };
      const publisher = await connectNats({ servers: url, name: "test", credentials });
      publisher.publish("forbidden.x", new Uint8Array(1));
      assert.match(
        (await publisher.closed)?.message ?? "",
        /^Cannot publish on "forbidden\.x": .*does not permit it/,
      );
      const subscriber = await connectNats({ servers: url, name: "test", credentials });
      subscriber.subscribe("secret.>", () => {});
      assert.match(
        (await subscriber.closed)?.message ?? "",
        /^Cannot subscribe to "secret\.>": .*does not permit it/,
      );
    });
  },
});

Deno.test({
  name: "a NATS transport whose server falls silent ends with a reason, and so does flush()",
  ignore: natsServerMissing || Deno.build.os === "windows",
  async fn() {
    await withServer({}, async (server) => {
      const transport = await connectNats({
        servers: server.url,
        name: "test",
        pingIntervalMs: 30,
      });
      server.process.kill("SIGSTOP");
      const silent = /did not answer three pings$/;
      await assert.rejects(async () => {
        // The signal takes effect a moment later.
        for (;;) await transport.flush();
      }, transportError(silent));
      assert.match((await transport.closed)?.message ?? "", silent);
    });
  },
});

Deno.test({
  name: "close() of a NATS transport ends although the server is silent",
  ignore: natsServerMissing || Deno.build.os === "windows",
  async fn() {
    await withServer({}, async (server) => {
      const transport = await connectNats({
        servers: server.url,
        name: "test",
        pingIntervalMs: 30,
      });
      transport.subscribe("x", () => {});
      server.process.kill("SIGSTOP");
      await transport.close();
    });
  },
});

Deno.test({
  name: "a callback that throws is reported and does not end the connection",
  ignore: natsServerMissing,
  async fn() {
    await withServer({}, async ({ url }) => {
      const transport = await connectNats({ servers: url, name: "test" });
      const errors: unknown[] = [];
      const onError = (event: ErrorEvent) => {
        event.preventDefault();
        errors.push(event.error);
      };
      addEventListener("error", onError);
      try {
        const mistake = new Error("mistake");
        transport.subscribe("x", () => {
          throw mistake;
        });
        transport.publish("x", new Uint8Array(1));
        await transport.flush();
        transport.publish("x", new Uint8Array(1));
        await transport.flush();
        assert.deepEqual(errors, [mistake, mistake]);
      } finally {
        removeEventListener("error", onError);
        await transport.close();
      }
    });
  },
});
