import assert from "node:assert/strict";
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
/** Enough of them for a process to die and to come back before the last one. */
const run = [...longRun, "--steps", "150", "--checkpoint-steps", "25"];

const expected = (() => {
  let sha: Promise<unknown> | undefined;
  /** The SHA-256 of the run that nothing disturbed; computed once. */
  return () => {
    sha ??= (async () => {
      let result: unknown;
      await inFolder(async (cwd) => {
        const args = [...run, "--workers", "1", "--out", "undisturbed"];
        result = (await trained(args, { cwd })).parametersSha256;
      })();
      return result;
    })();
    return sha;
  };
})();

/** Starts a run, kills one of its processes, and lets it end; its weights must not show that. */
function survives(commandLine: string, restartsMin: number, sentence: RegExp): () => Promise<void> {
  return inFolder(async (cwd) => {
    const args = ["--workers", "2", "--out", "run", "--json"];
    const command: Command = start("train", [...run, ...args], { cwd });
    await command.until(/step \d+\/150/);
    Deno.kill(descendant(command, commandLine), "SIGKILL");
    const { code, stdout, stderr } = await command.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, sentence);
    await assertNothingLeft(command);
    const { parametersSha256, restarts } = JSON.parse(stdout);
    assert.equal(parametersSha256, await expected());
    assert.ok(restarts >= restartsMin, `${restarts} restarts`);
  });
}

Deno.test({
  name: "a run survives the death of a worker bit for bit, and counts it",
  ignore,
  fn: survives(
    "--name w1",
    1,
    /\nLost worker "w1": Worker "w1" \(process \d+\) was ended by SIGKILL; going on with 1\n/,
  ),
});

Deno.test({
  name: "a run survives the death of its coordinator bit for bit",
  ignore,
  fn: survives(
    "coordinator.ts",
    0,
    /\nThe coordinator \(process \d+\) was ended by SIGKILL; starting it again\n/,
  ),
});

Deno.test({
  name: "a run survives the death of nats-server bit for bit",
  ignore,
  fn: survives("nats-server.conf", 0, /\nnats-server \(process \d+\) ended; starting it again\n/),
});
