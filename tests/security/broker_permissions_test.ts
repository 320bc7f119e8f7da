import assert from "node:assert/strict";
import { type Login, sharedLogin, workerLogins } from "../../launch/broker_permissions.ts";
import { type NatsServer, startNatsServer } from "../../launch/nats_server.ts";
import { runSubjects, workerSubjects } from "../../net/messages.ts";
import { connectNats } from "../../net/nats_transport.ts";
import { subjectMatches } from "../../net/subjects.ts";
import type { Transport } from "../../net/transport.ts";
import { findNatsServer, natsServerMissing } from "../support/nats_server.ts";

const ignore = natsServerMissing;
const binary = findNatsServer() ?? "";
const run = "alpha";

interface Logins {
  readonly broker: NatsServer;
  readonly coordinator: Login;
  readonly w0: Login;
  readonly w1: Login;
  /** Of workers with a connection file. */
  readonly shared: Login;
}

async function withBroker(body: (logins: Logins) => Promise<void>): Promise<void> {
  const [w0, w1] = workerLogins(2);
  const shared = sharedLogin();
  const broker = await startNatsServer({ binary, roles: { run, workers: [w0, w1, shared] } });
  try {
    await body({ broker, coordinator: broker, w0, w1, shared });
  } finally {
    await broker.stop();
  }
}

const connect = (broker: NatsServer, { user, password }: Login): Promise<Transport> =>
  connectNats({
    servers: broker.url,
    name: "test",
    credentials: { user, password },
    noEcho: true,
  });

const { workers, data, from, joinBefore3, coordinators } = runSubjects(run);
const spoken = ["w0", "w0-1", "w0-100", "w0-101", "w1", "w1-1", "host-7-abc"].flatMap((name) =>
  Object.values(workerSubjects(run, name))
);
const gradients = ["w0", "w0-1", "w1", "host-7-abc"].flatMap((name) =>
  ["reduce.0", "total", "credit.1", "life.reduce.0", "life.total.1"].map((what) =>
    `${data}.${name}.${what}`
  )
);
const inboxes = ["lockstep", "w0", "w1", "worker", "stranger"].map((user) => `_INBOX.${user}.x`);
/** Of the run, of another run, of the broker itself and of everybody's answers. */
const subjects: readonly string[] = [
  ...spoken,
  ...gradients,
  ...inboxes,
  workers,
  joinBefore3,
  coordinators,
  ...["from.w0.join", "workers", "data.w0.total", "join"].map((name) => `lockstep.beta.${name}`),
  ...[from, `${from}.w0`, `${from}.w0.join.more`, `${from}.w0.other`, data, `${data}.w0`],
  ...["$SYS.REQ.SERVER.PING", "$JS.API.INFO", "anything"],
];
const patterns: readonly string[] = [
  ...subjects,
  ...[">", "lockstep.>", `lockstep.${run}.>`, "_INBOX.>", "_INBOX.*.*", "*.*.*", "$SYS.>"],
  ...[`${from}.>`, `${from}.*.*`, `${from}.w0.*`, `${from}.*.join`],
  ...[`${data}.>`, `${data}.*.reduce.0`, `${data}.w1.>`],
];

/** What each role may do, as patterns: everything else is refused. */
const permitted: Record<
  Exclude<keyof Logins, "broker">,
  { publish: string[]; subscribe: string[] }
> = {
  coordinator: {
    publish: [workers, coordinators, "_INBOX.>"],
    subscribe: [`${from}.*.*`, joinBefore3, coordinators, "_INBOX.lockstep.>"],
  },
  w0: {
    publish: [
      ...["w0", "w0-1", "w0-100"].flatMap((name) => [`${from}.${name}.*`, `${data}.${name}.>`]),
      joinBefore3,
    ],
    subscribe: [workers, `${data}.>`, "_INBOX.w0.>"],
  },
  w1: {
    publish: [
      ...["w1", "w1-1"].flatMap((name) => [`${from}.${name}.*`, `${data}.${name}.>`]),
      joinBefore3,
    ],
    subscribe: [workers, `${data}.>`, "_INBOX.w1.>"],
  },
  shared: {
    publish: [`${from}.*.*`, `${data}.*.>`, joinBefore3],
    subscribe: [workers, `${data}.>`, "_INBOX.worker.>"],
  },
};

/** Says these lines to the server as a login, and gives what it answers. */
async function answers(
  { broker, login, lines }: { broker: NatsServer; login: Login; lines: readonly string[] },
): Promise<string> {
  using raw = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  const { user, password: pass } = login;
  const options = { verbose: false, user, pass, protocol: 1, lang: "test", version: "1" };
  const text = [`CONNECT ${JSON.stringify(options)}`, ...lines, "PING", ""].join("\r\n");
  await raw.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(1 << 16);
  let said = "";
  while (!/^PONG\r$/m.test(said)) {
    const count = await raw.read(buffer);
    if (count === null) break;
    said += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return said;
}

Deno.test({
  name: "the broker lets each role say and hear what it needs and nothing else",
  ignore,
  fn: () =>
    withBroker(async ({ broker, ...logins }) => {
      let cells = 0;
      for (const [role, { publish, subscribe }] of Object.entries(permitted)) {
        const login = logins[role as keyof typeof permitted];
        const refused = async (what: string, lines: string[]) => {
          const said = await answers({ broker, login, lines });
          assert.match(said, /PONG/, said);
          const each = new RegExp(`^-ERR 'Permissions Violation for ${what} to "([^"]+)"'`, "gm");
          return new Set(Array.from(said.matchAll(each), ([, subject]) => subject));
        };
        const mute = await refused("Publish", subjects.map((each) => `PUB ${each} 1\r\nx`));
        const deaf = await refused(
          "Subscription",
          patterns.map((each, index) => `SUB ${each} ${index + 1}`),
        );
        const within = (allowed: readonly string[], subject: string) =>
          allowed.some((pattern) => covers(pattern, subject));
        assert.deepEqual(
          subjects.filter((each) => !mute.has(each)),
          subjects.filter((each) => within(publish, each)),
          `${role} says`,
        );
        assert.deepEqual(
          patterns.filter((each) => !deaf.has(each)),
          patterns.filter((each) => within(subscribe, each)),
          `${role} hears`,
        );
        cells += subjects.length + patterns.length;
      }
      console.log(`    ${cells} cells of the matrix`);
    }),
});

/** Whether all that the second pattern reaches is reached by the first. */
function covers(pattern: string, other: string): boolean {
  if (other.endsWith(">") && !pattern.endsWith(">")) return false;
  return subjectMatches(pattern, other);
}

Deno.test({
  name: "what the broker refuses ends the connection with a sentence",
  ignore,
  fn: () =>
    withBroker(async ({ broker, w0 }) => {
      const transport = await connect(broker, w0);
      transport.publish(workerSubjects(run, "w1").finished, new Uint8Array(1));
      const reason = await transport.closed;
      assert.match(
        String(reason?.message),
        /^Cannot publish on "lockstep.alpha.from.w1.finished": nats-server at .* does not permit it; check/,
      );
    }),
});

Deno.test({
  name: "a worker cannot make the coordinator answer into a subject of its choice",
  ignore,
  fn: () =>
    withBroker(async ({ broker, w0 }) => {
      const coordinator = await connect(broker, broker);
      const { join } = workerSubjects(run, "w0");
      coordinator.subscribe(`${from}.*.*`, (message) => message.respond(new Uint8Array(3)));
      await coordinator.flush();
      const replies = [join, `${data}.w0.total`, "$SYS.REQ.SERVER.PING", "_INBOX.w0.a"];
      const lines = replies.map((reply) => `PUB ${join} ${reply} 1\r\nx`);
      await answers({ broker, login: w0, lines });
      const worker = await connect(broker, w0);
      assert.equal((await worker.request(join, new Uint8Array(1), { timeoutMs: 5000 })).length, 3);
      await worker.close();
      await coordinator.close();
      assert.equal(await coordinator.closed, undefined);
    }),
});
