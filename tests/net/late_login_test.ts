import assert from "node:assert/strict";
import { connectNats } from "../../net/nats_transport.ts";
import { LoginCutError, LoginRefusedError, TransportError } from "../../net/transport.ts";

Deno.test("a login that reaches the server too late may be tried again: it was not refused", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = (async () => {
    using connection = await listener.accept();
    const info = { server_id: "A", version: "2.15.0", max_payload: 1 << 20, auth_required: true };
    const say = (line: string) => connection.write(new TextEncoder().encode(`${line}\r\n`));
    await say(`INFO ${JSON.stringify(info)}`);
    await connection.read(new Uint8Array(4096));
    // What nats-server says when it has waited for the login for its auth_timeout.
    await say("-ERR 'Authentication Timeout'");
  })();
  const error = await connectNats({
    servers: `nats://127.0.0.1:${listener.addr.port}`,
    name: "late",
    credentials: { user: "a", password: "b" },
  }).then(() => undefined, (error) => error);
  await server;
  listener.close();
  assert.ok(error instanceof TransportError, String(error));
  assert.ok(!(error instanceof LoginRefusedError), String(error));
  assert.match(error.message, /the login did not reach nats-server in time/);
});

Deno.test("a login that is cut is told from a broker that is not there", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = (async () => {
    using connection = await listener.accept();
    const info = { server_id: "A", version: "2.15.0", max_payload: 1 << 20, auth_required: true };
    await connection.write(new TextEncoder().encode(`INFO ${JSON.stringify(info)}\r\n`));
    await connection.read(new Uint8Array(4096));
  })();
  const options = {
    servers: `nats://127.0.0.1:${listener.addr.port}`,
    name: "cut",
    credentials: { user: "a", password: "b" },
  };
  const cut = await connectNats(options).then(() => undefined, (error) => error);
  await server;
  listener.close();
  assert.ok(cut instanceof LoginCutError, String(cut));
  const absent = await connectNats(options).then(() => undefined, (error) => error);
  assert.ok(absent instanceof TransportError && !(absent instanceof LoginCutError), String(absent));
});

Deno.test("a connection that is over as soon as the login was taken was cut, and its server is not too old", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = (async () => {
    using connection = await listener.accept();
    const info = { server_id: "A", version: "2.15.0", max_payload: 1 << 20, auth_required: true };
    const say = (line: string) => connection.write(new TextEncoder().encode(`${line}\r\n`));
    await say(`INFO ${JSON.stringify(info)}`);
    await connection.read(new Uint8Array(4096));
    // In one write, so that the client knows of both at once: what nats-server does with a JWT in its last second.
    await say("PONG\r\n-ERR 'User Authentication Expired'");
  })();
  const error = await connectNats({
    servers: `nats://127.0.0.1:${listener.addr.port}`,
    name: "cut",
    credentials: { user: "a", password: "b" },
  }).then((transport) => transport.close(), (error) => error);
  await server;
  listener.close();
  assert.ok(error instanceof LoginCutError, String(error));
  assert.match(error.message, /ended the connection as soon as it had taken the login/);
});
