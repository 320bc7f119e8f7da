import assert from "node:assert/strict";
import { connectNats } from "../../net/nats_transport.ts";
import { LoginRefusedError, TransportError } from "../../net/transport.ts";

/** A server that takes one login, says `last` and ends the connection. */
async function loginThatEnds(last: string) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = (async () => {
    using connection = await listener.accept();
    const info = { server_id: "A", version: "2.15.0", max_payload: 1 << 20, auth_required: true };
    const say = (line: string) => connection.write(new TextEncoder().encode(`${line}\r\n`));
    await say(`INFO ${JSON.stringify(info)}`);
    await connection.read(new Uint8Array(4096));
    if (last !== "") await say(last);
  })();
  const error = await connectNats({
    servers: `nats://127.0.0.1:${listener.addr.port}`,
    name: "cut",
    credentials: { user: "a", password: "b" },
  }).then((transport) => transport.closed, (error) => error);
  await server;
  listener.close();
  return error;
}

Deno.test("a login that reaches the server too late may be tried again: it was not refused", async () => {
  // What nats-server says when it has waited for the login for its auth_timeout.
  const error = await loginThatEnds("-ERR 'Authentication Timeout'");
  assert.ok(error instanceof TransportError, String(error));
  assert.ok(!(error instanceof LoginRefusedError), String(error));
  assert.match(error.message, /the login did not reach nats-server in time/);
});

Deno.test("a login that expires as it is taken is refused, and its server is not too old", async () => {
  // In one write, so that the client knows of both at once: what nats-server does in a JWT's last second.
  const error = await loginThatEnds("PONG\r\n-ERR 'User Authentication Expired'");
  assert.ok(error instanceof LoginRefusedError, String(error));
  assert.match(error.message, /says that the credentials have expired/);
});

Deno.test("a server that dies while it takes a login is lost, and did not refuse it", async () => {
  for (const last of ["", "PONG"]) {
    const error = await loginThatEnds(last);
    assert.ok(error instanceof TransportError, String(error));
    assert.ok(!(error instanceof LoginRefusedError), String(error));
  }
});
