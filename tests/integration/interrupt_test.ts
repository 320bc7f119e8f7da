import assert from "node:assert/strict";
import { delay, systemClock } from "../../net/clock.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import {
  assertNothingLeft,
  type Command,
  descendant,
  inFolder,
  longRun,
  start,
  trained,
} from "./command.ts";

const ignore = natsServerMissing || Deno.build.os !== "linux";
/** Longer than what counts as one press. */
const betweenPressesMs = 700;

/** A run under way, some steps into its first epoch. */
async function startRun(cwd: string, workers: number): Promise<Command> {
  const args = ["--workers", `${workers}`, "--checkpoint-steps", "10", "--out", "run"];
  const command = start("train", [...longRun, ...args], { cwd });
  await command.until(/step \d+\/50000/);
  return command;
}

/** The SHA-256 that a run to `steps` has which nothing disturbed. */
async function undisturbed(cwd: string, steps: number): Promise<unknown> {
  const args = [...longRun, "--steps", `${steps}`, "--workers", "1", "--out", "undisturbed"];
  return (await trained(args, { cwd })).parametersSha256;
}

Deno.test({
  name: "Ctrl-C in a terminal writes a checkpoint, exits 130, and a resume goes on bit for bit",
  ignore,
  fn: inFolder(async (cwd) => {
    const command = await startRun(cwd, 2);
    // What a terminal does: the whole process group gets it.
    Deno.kill(-command.pid, "SIGINT");
    // And what `deno task` adds: it passes on what it gets itself.
    command.kill("SIGINT");
    const { code, stdout, stderr } = await command.ended;
    assert.equal(code, 130, stderr);
    assert.equal(stdout, "");
    const [, step] = stderr.match(/\nStopped at step (\d+); go on from step \1 with --resume /)!;
    await assertNothingLeft(command);
    const steps = Number(step) + 3;
    const args = ["--resume", "--steps", `${steps}`, "--workers", "3", "--out", "run"];
    const resumed = await trained(args, { cwd });
    assert.equal(resumed.steps, steps);
    assert.equal(resumed.parametersSha256, await undisturbed(cwd, steps));
  }),
});

Deno.test({
  name: "a second Ctrl-C ends at once and leaves no process",
  ignore,
  fn: inFolder(async (cwd) => {
    const command = await startRun(cwd, 2);
    // A coordinator that hangs cannot write the checkpoint that the first press asks for.
    Deno.kill(descendant(command, "coordinator.ts"), "SIGSTOP");
    Deno.kill(-command.pid, "SIGINT");
    await delay(systemClock, betweenPressesMs);
    Deno.kill(-command.pid, "SIGINT");
    const { code, stderr } = await command.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /\nInterrupted; go on from step \d+ with --resume --out run\n$/);
    await assertNothingLeft(command);
  }),
});

Deno.test({
  name: "Ctrl-C before the first step exits 130 and leaves no process and no folder",
  ignore,
  fn: inFolder(async (cwd) => {
    const command = start("coordinator", [...longRun, "--workers", "2", "--port", "0"], { cwd });
    await command.until(/Waiting for 2 workers/);
    Deno.kill(-command.pid, "SIGINT");
    const { code, stderr } = await command.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /\nInterrupted before the first step\n$/);
    await assertNothingLeft(command);
    assert.deepEqual([...Deno.readDirSync(`${cwd}/runs`)], []);
  }),
});

/** Ends a run by SIGTERM to these of its processes. @returns what it said */
async function terminated(cwd: string, texts: readonly string[]): Promise<string> {
  const command = await startRun(cwd, 2);
  const found = [...command.descendants()];
  for (const text of texts) {
    const processes = found.filter(([, line]) => line.includes(text));
    assert.ok(processes.length > 0, `no process "${text}"`);
    for (const [pid] of processes) Deno.kill(pid, "SIGTERM");
  }
  const { code, stderr } = await command.ended;
  assert.equal(code, 130, stderr);
  await assertNothingLeft(command);
  return stderr;
}

Deno.test({
  name: "a run whose workers are all asked to leave ends with a checkpoint to go on from",
  ignore,
  fn: inFolder(async (cwd) => {
    const stderr = await terminated(cwd, ["worker.ts"]);
    assert.match(
      stderr,
      /Worker "w\d" left; .* waiting .*\n(.*\n)*Interrupted; go on from step \d+ /,
    );
  }),
});

Deno.test({
  name: "a stop is not forgotten when the broker is stopped as well",
  ignore,
  fn: inFolder(async (cwd) => {
    const stderr = await terminated(cwd, ["coordinator.ts", "nats-server.conf"]);
    assert.match(stderr, /(Stopped at step \d+|Interrupted); go on from step \d+ /);
  }),
});

Deno.test({
  name: "a launcher that is killed leaves no process",
  ignore,
  fn: inFolder(async (cwd) => {
    const command = await startRun(cwd, 2);
    assert.equal(command.descendants().size >= 4, true);
    command.kill("SIGKILL");
    await assertNothingLeft(command);
  }),
});
