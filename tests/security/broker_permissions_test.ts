import assert from "node:assert/strict";
import { type Login, workerLogins } from "../../launch/broker_permissions.ts";
import { type NatsServer, startNatsServer } from "../../launch/nats_server.ts";
import { runSubjects } from "../../net/messages.ts";
import { connectNats } from "../../net/nats_transport.ts";
import type { Transport } from "../../net/transport.ts";
import { findNatsServer, natsServerMissing } from "../support/nats_server.ts";

const ignore = natsServerMissing;
const binary = findNatsServer() ?? "";
const run = "alpha";

async function withBroker(
  body: (broker: NatsServer, workers: readonly Login[]) => Promise<void>,
): Promise<void> {
  const workers = workerLogins(2);
  const broker = await startNatsServer({ binary, roles: { run, workers } });
  try {
    await body(broker, workers);
  } finally {
    await broker.stop();
  }
}

const connect = (broker: NatsServer, credentials: Login): Promise<Transport> =>
  connectNats({ servers: broker.url, name: "test", credentials, noEcho: true });

/** Whether the server lets a login do it; a refusal ends the connection with a sentence. */
async function isPermitted(
  broker: NatsServer,
  login: Login,
  act: (transport: Transport) => void,
): Promise<boolean> {
  const transport = await connect(broker, login);
  act(transport);
  try {
    await transport.flush();
    // The refusal comes before the answer to the flush, and is read right after it.
    await transport.flush();
  } catch {
    // Closed by the refusal.
  }
  const refusal = await Promise.race([transport.closed, transport.close().then(() => undefined)]);
  const reason = await transport.closed;
  if (!refusal && !reason) return true;
  assert.match(
    String(reason?.message),
    /^Cannot (publish on|subscribe to) ".*": nats-server at .* does not permit it/,
  );
  return false;
}

/** Subjects of the run, of another run, of the broker itself and of everybody's answers. */
const { data, ...control } = runSubjects(run);
const subjects: readonly string[] = [
  ...Object.values(control),
  `${data}.reduce.0`,
  `${data}.total`,
  ...["join", "workers", "data.total"].map((name) => `lockstep.beta.${name}`),
  "_INBOX.lockstep.x",
  "_INBOX.worker-0.x",
  "_INBOX.worker-1.x",
  "_INBOX.stranger.x",
  "$SYS.REQ.SERVER.PING",
  "$JS.API.INFO",
  "anything",
];
const patterns = [...subjects, ">", "lockstep.>", `lockstep.${run}.>`, "_INBOX.>", "*.*.*"];

const toCoordinator = Object.values(control).filter((subject) => subject !== control.workers);
const gradients = [`${data}.reduce.0`, `${data}.total`];
const permitted = {
  coordinator: {
    publish: [control.workers, ...subjects.filter((subject) => subject.startsWith("_INBOX."))],
    subscribe: [...toCoordinator, "_INBOX.lockstep.x"],
  },
  "worker-0": {
    publish: [...toCoordinator, ...gradients],
    subscribe: [control.workers, ...gradients, "_INBOX.worker-0.x"],
  },
  "worker-1": {
    publish: [...toCoordinator, ...gradients],
    subscribe: [control.workers, ...gradients, "_INBOX.worker-1.x"],
  },
};

Deno.test({
  name: "the broker lets each role say and hear what it needs and nothing else",
  ignore,
  fn: () =>
    withBroker(async (broker, workers) => {
      const logins: Record<keyof typeof permitted, Login> = {
        coordinator: { user: broker.user, password: broker.password },
        "worker-0": workers[0],
        "worker-1": workers[1],
      };
      let cells = 0;
      for (const [role, { publish, subscribe }] of Object.entries(permitted)) {
        const login = logins[role as keyof typeof permitted];
        const said = await Promise.all(subjects.map(async (subject) => {
          const may = await isPermitted(
            broker,
            login,
            (transport) => transport.publish(subject, new Uint8Array(1)),
          );
          return may ? [subject] : [];
        }));
        assert.deepEqual(said.flat(), subjects.filter((each) => publish.includes(each)), role);
        const heard = await Promise.all(patterns.map(async (pattern) => {
          const may = await isPermitted(
            broker,
            login,
            (transport) => transport.subscribe(pattern, () => {}),
          );
          return may ? [pattern] : [];
        }));
        assert.deepEqual(heard.flat(), patterns.filter((each) => subscribe.includes(each)), role);
        cells += subjects.length + patterns.length;
      }
      console.log(`    ${cells} cells of the matrix`);
    }),
});

Deno.test({
  name: "a worker cannot make the coordinator answer into a subject of its choice",
  ignore,
  fn: () =>
    withBroker(async (broker, [login]) => {
      const coordinator = await connect(broker, broker);
      coordinator.subscribe(control.join, (message) => message.respond(new Uint8Array(3)));
      await coordinator.flush();
      using raw = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
      const options = { verbose: false, user: login.user, pass: login.password };
      const lines = [
        `CONNECT ${JSON.stringify(options)}`,
        ...[control.join, `${data}.total`, "$SYS.REQ.SERVER.PING", "_INBOX.worker-0.a"]
          .map((reply) => `PUB ${control.join} ${reply} 1\r\nx`),
        "PING",
      ];
      await raw.write(new TextEncoder().encode(lines.join("\r\n") + "\r\n"));
      const worker = await connect(broker, login);
      assert.equal(
        (await worker.request(control.join, new Uint8Array(1), { timeoutMs: 5000 })).length,
        3,
      );
      await worker.close();
      await coordinator.close();
      assert.equal(await coordinator.closed, undefined);
    }),
});
