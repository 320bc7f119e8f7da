import assert from "node:assert/strict";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import {
  assertNothingLeft,
  assertSentence,
  type Command,
  inFolder,
  longRun,
  run,
  smallRun,
  start,
  trained,
} from "./command.ts";

const ignore = natsServerMissing;

async function startCoordinator(cwd: string, args: readonly string[]): Promise<Command> {
  const coordinator = start("coordinator", ["--out", "run", ...args], { cwd });
  await coordinator.until(/deno task worker --connect run\/connection\.json/);
  return coordinator;
}

const join = ["--connect", "run/connection.json"];

Deno.test({
  name: "coordinator and worker, started by hand, train as train does",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...smallRun, "--steps", "6", "--workers", "2"];
    const coordinator = await startCoordinator(cwd, [...args, "--port", "0", "--json"]);
    const path = `${cwd}/run/connection.json`;
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    const { credentials } = JSON.parse(await Deno.readTextFile(path));
    const workers = [0, 1].map(() => start("worker", join, { cwd }));
    for (const worker of workers) assert.equal((await worker.ended).code, 0);
    const { code, stdout, stderr } = await coordinator.ended;
    assert.equal(code, 0, stderr);
    assert.ok(!(stdout + stderr).includes(credentials.password));
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await assertNothingLeft(coordinator);
    const expected = await trained([...args, "--out", "other"], { cwd });
    assert.equal(JSON.parse(stdout).parametersSha256, expected.parametersSha256);
  }),
});

Deno.test({
  name: "a worker too many, or of a name that is taken, is refused with a sentence",
  ignore,
  fn: inFolder(async (cwd) => {
    const coordinator = await startCoordinator(cwd, [...longRun, "--workers", "2", "--port", "0"]);
    const first = start("worker", [...join, "--name", "a"], { cwd });
    await first.until(/Joined as "a"/);
    assertSentence(
      await run("worker", [...join, "--name", "a"], { cwd }),
      1,
      /^Failed: The coordinator refused: a worker named "a" has already joined from process \d+ on .*; give another --name$/,
    );
    const second = start("worker", [...join, "--name", "b"], { cwd });
    await coordinator.until(/2 workers × /);
    assertSentence(
      await run("worker", join, { cwd }),
      1,
      /^Failed: The coordinator refused: the run already has its 2 workers$/,
    );
    coordinator.kill("SIGTERM");
    assert.equal((await coordinator.ended).code, 130);
    for (const worker of [first, second]) assert.equal((await worker.ended).code, 0);
  }),
});

Deno.test({
  name: "a worker whose coordinator is killed says so and ends",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    try {
      const broker = ["--nats", server.url, "--run", "r"];
      const args = [...longRun, ...broker, "--workers", "1", "--checkpoint-steps", "40000"];
      const coordinator = await startCoordinator(cwd, args);
      const worker = start("worker", broker, { cwd });
      await coordinator.until(/step \d+\/50000/);
      coordinator.kill("SIGKILL");
      assertSentence(
        await worker.ended,
        1,
        /^Failed: Lost the coordinator: .*nobody listens there$/,
      );
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name: "a worker without a coordinator, or without a broker, says so in time",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    const broker = ["--nats", server.url, "--run", "none", "--join-timeout", "1"];
    try {
      assertSentence(
        await run("worker", broker, { cwd }),
        1,
        /^Failed: Cannot join run "none": no coordinator answered within 1 s; start it with /,
      );
    } finally {
      await server.stop();
    }
    assertSentence(
      await run("worker", broker, { cwd }),
      1,
      /^Failed: Cannot connect to nats:\/\/127\.0\.0\.1:\d+: nobody listens there; start one /,
    );
    assertSentence(
      await run("worker", [], { cwd }),
      2,
      /^Wrong usage: Give --connect .*--nats URL/,
    );
    assertSentence(
      await run("worker", ["--connect", "none.json"], { cwd }),
      2,
      /^Wrong usage: Cannot read connection file none\.json: /,
    );
  }),
});

Deno.test({
  name: "--nats uses a server that asks for a login, and a wrong one is told at once",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer({
      config: `authorization { user: "ada", password: "right" }`,
    });
    try {
      const login = (password: string) => ({
        cwd,
        env: { LOCKSTEP_NATS_USER: "ada", LOCKSTEP_NATS_PASSWORD: password },
      });
      const args = [...smallRun, "--steps", "2", "--workers", "1", "--nats", server.url];
      for (const options of [login("wrong"), { cwd }]) {
        const refused = await run("coordinator", args, options);
        assertSentence(
          refused,
          1,
          /^Failed: Cannot log in: nats:\/\/127\.0\.0\.1:\d+ refused the /,
        );
        assert.deepEqual([...Deno.readDirSync(`${cwd}/runs`)], []);
      }
      const worker = ["--nats", server.url, "--run", "r"];
      assertSentence(
        await run("worker", worker, login("wrong")),
        1,
        /^Failed: Cannot log in: /,
      );
      const coordinator = start("coordinator", [...args, "--run", "r"], login("right"));
      assert.equal((await run("worker", worker, login("right"))).code, 0);
      assert.equal((await coordinator.ended).code, 0);
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name: "coordinator refuses a port in use, and --port for a broker that is not its own",
  ignore,
  fn: inFolder(async (cwd) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const args = [...smallRun, "--steps", "2", "--workers", "1", "--port", `${port}`];
    assertSentence(
      await run("coordinator", args, { cwd }),
      1,
      /^Failed: Cannot start nats-server on 127\.0\.0\.1:\d+: the port is in use; give another one/,
    );
    assert.deepEqual([...Deno.readDirSync(`${cwd}/runs`)], []);
    assertSentence(
      await run("coordinator", [...args, "--nats", "nats://127.0.0.1"], { cwd }),
      2,
      /^Wrong usage: Give --host and --port for a broker of its own, or --nats for another/,
    );
  }),
});
