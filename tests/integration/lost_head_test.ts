import assert from "node:assert/strict";
import { delay, systemClock } from "../../net/clock.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import {
  assertNothingLeft,
  assertSentence,
  type Command,
  descendant,
  type Ended,
  inFolder,
  longRun,
  smallRun,
  start,
  trained,
} from "./command.ts";

const ignore = natsServerMissing || Deno.build.os !== "linux";
/** Enough of them for the head to die and to come back before the last one. */
const run = [...longRun, "--steps", "400", "--checkpoint-steps", "25"];
const head = [...run, "--workers", "2", "--out", "run", "--port", "0", "--json"];

let sha: Promise<unknown> | undefined;
/** The SHA-256 of the run that nothing disturbed; computed once. */
async function undisturbed(): Promise<unknown> {
  sha ??= new Promise((resolve, reject) => {
    inFolder(async (cwd) => {
      resolve((await trained([...run, "--workers", "1"], { cwd })).parametersSha256);
    })().catch(reject);
  });
  return await sha;
}

/** The head of a run that has come beyond its first checkpoint, and two workers started by hand. */
async function startByHand(cwd: string): Promise<{ coordinator: Command; workers: Command[] }> {
  const coordinator = start("coordinator", head, { cwd });
  await coordinator.until(/deno task worker --connect run\/connection\.json/);
  const workers = ["a", "b"].map((name) =>
    start("worker", ["--connect", "run/connection.json", "--name", name], { cwd })
  );
  await checkpointBeyondTheFirst(`${cwd}/run/checkpoints`);
  return { coordinator, workers };
}

/** The first one is there before the first step. */
async function checkpointBeyondTheFirst(folder: string): Promise<void> {
  const deadline = systemClock.nowMs() + 60_000;
  while (![...Deno.readDirSync(folder)].some(({ name }) => /^step-0*[1-9]\d*$/.test(name))) {
    assert.ok(systemClock.nowMs() < deadline, "no checkpoint within 60 s");
    await delay(systemClock, 5);
  }
}

/** Asserts that the run came to its end, with the weights that it would have had anyway. */
async function assertUndisturbed(
  cwd: string,
  coordinator: Command,
  workers: readonly Command[],
): Promise<Ended> {
  const ended = await coordinator.ended;
  assert.equal(ended.code, 0, ended.stderr);
  for (const worker of workers) {
    const { code, stderr } = await worker.ended;
    assert.equal(code, 0, stderr);
  }
  assert.equal(JSON.parse(ended.stdout).parametersSha256, await undisturbed());
  await assert.rejects(Deno.stat(`${cwd}/run/connection.json`), Deno.errors.NotFound);
  await assertNothingLeft(coordinator);
  return ended;
}

/** Starts a run by hand, kills a process below the command, and lets it end. */
function survives(commandLine: string, sentence: RegExp): () => Promise<void> {
  return inFolder(async (cwd) => {
    const { coordinator, workers } = await startByHand(cwd);
    Deno.kill(descendant(coordinator, commandLine), "SIGKILL");
    assert.match((await assertUndisturbed(cwd, coordinator, workers)).stderr, sentence);
  });
}

Deno.test({
  name: "a run by hand survives the death of its nats-server bit for bit",
  ignore,
  fn: survives("nats-server.conf", /\nnats-server \(process \d+\) ended; starting it again\n/),
});

Deno.test({
  name: "a run by hand survives the death of its coordinator's process bit for bit",
  ignore,
  fn: survives(
    "launch/coordinator.ts",
    /\nThe coordinator \(process \d+\) was ended by SIGKILL; starting it again\n/,
  ),
});

Deno.test({
  name: "a coordinator that is started again before any worker has come waits for them as before",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...smallRun, "--steps", "2", "--workers", "1", "--out", "run", "--port", "0"];
    const coordinator = start("coordinator", args, { cwd });
    await coordinator.until(/Waiting for 1 worker /);
    Deno.kill(descendant(coordinator, "launch/coordinator.ts"), "SIGKILL");
    await coordinator.until(/; starting it again\n(.*\n)*Waiting for 1 worker /);
    const worker = start("worker", ["--connect", "run/connection.json"], { cwd });
    const { code, stderr } = await coordinator.ended;
    assert.equal(code, 0, stderr);
    assert.equal((await worker.ended).code, 0);
  }),
});

Deno.test({
  name: "workers that wait find the coordinator that is started again with --resume, bit for bit",
  ignore,
  fn: inFolder(async (cwd) => {
    const { coordinator, workers } = await startByHand(cwd);
    const path = `${cwd}/run/connection.json`;
    const before = await Deno.readTextFile(path);
    coordinator.kill("SIGKILL");
    await coordinator.ended;
    await assertNothingLeft(coordinator);
    const again = start("coordinator", [...head, "--resume"], { cwd });
    await again.until(/deno task worker --connect run\/connection\.json/);
    assert.equal(await Deno.readTextFile(path), before);
    await assertUndisturbed(cwd, again, workers);
  }),
});

Deno.test({
  name: "a coordinator that is started again has the run's name that its workers were told of",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    try {
      const args = [...longRun, "--workers", "1", "--out", "run", "--nats", server.url];
      const path = `${cwd}/run/connection.json`;
      const connections: string[] = [];
      for (let life = 0; life < 2; life++) {
        const coordinator = start("coordinator", args, { cwd });
        await coordinator.until(/Waiting for 1 worker /);
        connections.push(await Deno.readTextFile(path));
        coordinator.kill("SIGKILL");
        await coordinator.ended;
        await assertNothingLeft(coordinator);
      }
      assert.equal(connections[0], connections[1]);
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name: "a coordinator that lives is not taken for one that died; a second Ctrl-C ends it for good",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...longRun, "--workers", "1", "--out", "run", "--port", "0"];
    const coordinator = start("coordinator", args, { cwd });
    await coordinator.until(/Waiting for 1 worker /);
    assertSentence(
      await start("coordinator", args, { cwd }).ended,
      1,
      /^Failed: Cannot use run folder run: another process trains in it; /,
    );
    Deno.kill(descendant(coordinator, "launch/coordinator.ts"), "SIGSTOP");
    coordinator.kill("SIGINT");
    // Longer than what counts as one press.
    await delay(systemClock, 700);
    coordinator.kill("SIGINT");
    assert.equal((await coordinator.ended).code, 130);
    await assertNothingLeft(coordinator);
    await assert.rejects(Deno.stat(`${cwd}/run/connection.json`), Deno.errors.NotFound);
  }),
});
