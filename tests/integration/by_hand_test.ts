import assert from "node:assert/strict";
import { delay, systemClock } from "../../net/clock.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import {
  assertNothingLeft,
  assertSentence,
  type Command,
  engine,
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
    const [head] = [...coordinator.descendants().values()].filter((line) =>
      line.includes("launch/coordinator.ts")
    );
    const rights = head.split(/[\0 ]/).filter((word) => /^(-A|--allow-)/.test(word));
    assert.deepEqual(rights.map((word) => word.split("=")[0]), [
      ...["--allow-net", "--allow-read", "--allow-write", "--allow-env"],
    ]);
    assert.ok(rights.every((word) => word.includes("=")), "each names what it allows");
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
  name: "coordinator without --engine takes the one that its first worker has, as train does",
  ignore,
  fn: inFolder(async (cwd) => {
    // Without --engine, and with the library's path in its environment, which it has no right to load.
    const args = [...smallRun.slice(2), "--steps", "3", "--workers", "2"];
    const coordinator = await startCoordinator(cwd, [...args, "--port", "0", "--json"]);
    const workers = [0, 1].map(() => start("worker", join, { cwd }));
    const { code, stdout, stderr } = await coordinator.ended;
    assert.equal(code, 0, stderr);
    for (const worker of workers) assert.equal((await worker.ended).code, 0);
    const expected = await trained([...args, "--out", "other"], { cwd });
    const found = JSON.parse(stdout);
    assert.equal(found.engine, expected.engine);
    assert.equal(found.parametersSha256, expected.parametersSha256);
    const { configuration } = JSON.parse(await Deno.readTextFile(`${cwd}/run/run.json`));
    assert.equal(configuration.engine, engine);
  }),
});

/** SHA-256 of the newest checkpoint's parameters, and that of a run to its step that nobody disturbed. */
async function checkpointAndUndisturbed(cwd: string, step: string): Promise<[string, unknown]> {
  const path = `${cwd}/run/checkpoints/step-${step.padStart(6, "0")}/manifest.json`;
  const args = [...longRun, "--steps", step, "--workers", "1", "--out", "undisturbed"];
  const { parametersSha256 } = await trained(args, { cwd });
  return [JSON.parse(await Deno.readTextFile(path)).parametersSha256, parametersSha256];
}

Deno.test({
  name: "workers join and leave while a run goes on; a name that is taken is refused",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...longRun, "--workers", "2", "--min-workers", "2", "--port", "0"];
    const coordinator = await startCoordinator(cwd, args);
    const worker = (name: string) => start("worker", [...join, "--name", name], { cwd });
    const [a, b] = ["a", "b"].map(worker);
    await coordinator.until(/2 workers × /);
    assertSentence(
      await run("worker", [...join, "--name", "a"], { cwd }),
      1,
      /^Failed: The coordinator refused: a worker named "a" has already joined from process \d+ on .*; give another --name$/,
    );
    const c = worker("c");
    await coordinator.until(/\nWorker "c" joined; going on with 3\n/);
    a.kill("SIGTERM");
    assert.equal((await a.ended).code, 0);
    await coordinator.until(/\nWorker "a" left; going on with 2\n/);
    // One less than the run is to go on with: it waits.
    b.kill("SIGKILL");
    await coordinator.until(
      /\nLost worker "b": .* was not heard of for .* s; waiting up to 600 s for 1 more worker\n/,
    );
    const d = worker("d");
    await coordinator.until(/1 more worker\n(.*\n)*.*step \d+\//);
    coordinator.kill("SIGTERM");
    const { code, stderr } = await coordinator.ended;
    assert.equal(code, 130, stderr);
    for (const each of [c, d]) assert.equal((await each.ended).code, 0);
    const [, step] = stderr.match(/\nStopped at step (\d+); go on from step \1 /)!;
    const [found, expected] = await checkpointAndUndisturbed(cwd, step);
    assert.equal(found, expected);
  }),
});

Deno.test({
  name: "a coordinator that nobody is left for gives up in time, with a checkpoint",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...longRun, "--workers", "1", "--wait-timeout", "1", "--port", "0"];
    const coordinator = await startCoordinator(cwd, [...args, "--checkpoint-steps", "40000"]);
    const worker = start("worker", join, { cwd });
    await coordinator.until(/step \d+\/50000/);
    // Beyond a snapshot: what is saved in the end is more than the beginning.
    await delay(systemClock, 1_000);
    worker.kill("SIGKILL");
    const ended = await coordinator.ended;
    assertSentence(
      ended,
      1,
      /^Failed: Gave up: 0 of at least 1 workers were there for 1 s; start more workers and resume, or lower --min-workers; go on from step \d+ with --resume --out run$/,
    );
    const [, step] = ended.stderr.match(/go on from step (\d+) /)!;
    assert.ok(Number(step) > 0);
    const [found, expected] = await checkpointAndUndisturbed(cwd, step);
    assert.equal(found, expected);
    await assertNothingLeft(coordinator);
  }),
});

Deno.test({
  name: "a worker whose coordinator is killed waits for the next one, and says so when none comes",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    try {
      const broker = ["--nats", server.url, "--run", "r"];
      const args = [...longRun, ...broker, "--workers", "1", "--checkpoint-steps", "20"];
      const first = await startCoordinator(cwd, args);
      const worker = start("worker", [...broker, "--join-timeout", "5"], { cwd });
      await first.until(/step \d+\/50000/);
      first.kill("SIGKILL");
      await first.ended;
      const second = await startCoordinator(cwd, [...args, "--resume"]);
      await second.until(/step \d+\/50000/);
      second.kill("SIGKILL");
      assertSentence(
        await worker.ended,
        1,
        /^Failed: Cannot join run "r": no coordinator answered within 5 s; start it with /,
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
      await run("worker", ["--connect", "none.json", "--join-timeout", "1"], { cwd }),
      2,
      /^Wrong usage: Cannot read connection file none\.json: /,
    );
    assertSentence(
      await run("worker", ["--connect", "none.json", "--tls-ca", "ca.pem"], { cwd }),
      2,
      /^Wrong usage: --tls-ca does nothing with --connect, whose file tells of the broker; /,
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
    const refused: [string[], RegExp][] = [
      [["--port", `${port}`], /^Wrong usage: Give --host and --port for a broker of its own, or /],
      // To another broker it shows a certificate, which has to be there.
      [
        ["--tls-cert", "c", "--tls-key", "k"],
        /^Wrong usage: Cannot read --tls-cert c: No such file/,
      ],
    ];
    for (const [own, sentence] of refused) {
      const named = [...smallRun, ...own, "--nats", "nats://127.0.0.1"];
      assertSentence(await run("coordinator", named, { cwd }), 2, sentence);
    }
  }),
});
