import assert from "node:assert/strict";
import { natsServerMissing } from "../support/nats_server.ts";
import {
  assertNothingLeft,
  assertSentence,
  type Command,
  descendant,
  inFolder,
  longRun,
  start,
  trained,
} from "./command.ts";

const ignore = natsServerMissing || Deno.build.os !== "linux";

/** Starts a run, kills one of its processes, and resumes it; its weights must not show that. */
function survives(
  who: string,
  commandLine: string,
  sentence: RegExp,
): () => Promise<void> {
  return inFolder(async (cwd) => {
    const args = ["--workers", "2", "--checkpoint-steps", "4", "--out", "run"];
    const command: Command = start("train", [...longRun, ...args], { cwd });
    await command.until(/step \d+\/50000/);
    Deno.kill(descendant(command, commandLine), "SIGKILL");
    const ended = await command.ended;
    assertSentence(ended, 1, sentence);
    await assertNothingLeft(command);
    const [, step] = ended.stderr.match(/; go on from step (\d+) with --resume --out run\n/) ??
      assert.fail(`No way to go on in:\n${ended.stderr}`);
    const steps = Number(step) + 5;
    const resumed = await trained(
      ["--resume", "--steps", `${steps}`, "--workers", "1", "--out", "run"],
      { cwd },
    );
    const undisturbed = await trained(
      [...longRun, "--steps", `${steps}`, "--workers", "1", "--out", "undisturbed"],
      { cwd },
    );
    assert.equal(resumed.parametersSha256, undisturbed.parametersSha256, who);
  });
}

Deno.test({
  name: "a worker that is killed is named, and a resume goes on bit for bit",
  ignore,
  fn: survives(
    "worker",
    "--name w1",
    /^Failed: Worker "w1" \(process \d+\) was ended by SIGKILL; go on from step \d+ with --resume --out run$/,
  ),
});

Deno.test({
  name: "a coordinator that is killed is named, and a resume goes on bit for bit",
  ignore,
  fn: survives(
    "coordinator",
    "coordinator.ts",
    /^Failed: The coordinator \(process \d+\) was ended by SIGKILL; go on from step \d+ with --resume --out run$/,
  ),
});

Deno.test({
  name: "a nats-server that is killed is named, and a resume goes on bit for bit",
  ignore,
  fn: survives(
    "nats-server",
    "nats-server.conf",
    /^Failed: Lost the connection to nats:\/\/127\.0\.0\.1:\d+: .*; go on from step \d+ with --resume --out run$/,
  ),
});
