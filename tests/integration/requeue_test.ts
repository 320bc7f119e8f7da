/** One command for the first start and all later ones, and a run whose folder somebody deletes. */
import assert from "node:assert/strict";
import { natsServerMissing } from "../support/nats_server.ts";
import {
  assertNothingLeft,
  assertSentence,
  descendant,
  inFolder,
  longRun,
  run,
  smallRun,
  start,
  trained,
} from "./command.ts";
import { delay, systemClock } from "../../net/clock.ts";

const ignore = natsServerMissing;

Deno.test({
  name:
    "--resume=auto begins where there is no checkpoint and goes on where there is one, bit for bit",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...longRun, "--steps", "400", "--workers", "1", "--checkpoint-steps", "40000"];
    const auto = [...args, "--resume=auto", "--out", "run", "--json"];
    const first = start("train", auto, { cwd });
    await first.until(/step \d+\/400/);
    first.kill("SIGUSR1");
    assert.equal((await first.ended).code, 130, (await first.ended).stderr);
    const second = await run("train", auto, { cwd });
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stderr, /resum|from step|going on/i);
    const undisturbed = await trained([...args, "--out", "undisturbed"], { cwd });
    assert.equal(JSON.parse(second.stdout).parametersSha256, undisturbed.parametersSha256);
    // A run that has come to its end is at its end.
    const third = await run("train", auto, { cwd });
    assert.equal(third.code, 0, third.stderr);
    assert.equal(JSON.parse(third.stdout).parametersSha256, undisturbed.parametersSha256);
    // What was killed before its first checkpoint begins.
    await Deno.mkdir(`${cwd}/early/checkpoints`, { recursive: true });
    const early = ["--steps", "2", "--workers", "1", "--out", "early", "--resume=auto"];
    await trained([...smallRun, ...early], { cwd });
    assertSentence(
      await run("train", [...smallRun, "--resume=auto"], { cwd }),
      2,
      /^Wrong usage: Give --out DIR with --resume=auto, /,
    );
    assertSentence(
      await run("train", [...smallRun, "--resume=yes"], { cwd }),
      2,
      /^Wrong usage: --resume takes no value but auto: found "yes"$/,
    );
  }),
});

Deno.test({
  name: "a run whose folder is deleted or replaced says so and exits with 1",
  ignore,
  fn: inFolder(async (cwd) => {
    for (const what of ["deleted", "replaced"]) {
      const args = [...longRun, "--workers", "1", "--checkpoint-steps", "40000", "--out", what];
      const command = start("train", args, { cwd });
      await command.until(/step \d+\/50000/);
      await Deno.rename(`${cwd}/${what}`, `${cwd}/elsewhere-${what}`);
      if (what === "replaced") await Deno.mkdir(`${cwd}/${what}`);
      const pattern = `^Failed: Cannot go on: the run's folder ${what} was ${what} while the run `;
      assertSentence(await command.ended, 1, new RegExp(pattern));
      await assertNothingLeft(command);
    }
  }),
});

Deno.test({
  name: "a worker that is killed again and again without progress ends the run, with a question",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...smallRun, "--workers", "1", "--steps", "100", "--out", "run"];
    const command = start("train", args, { cwd });
    let isOver = false;
    void command.ended.then(() => isOver = true);
    let kills = 0;
    while (!isOver) {
      try {
        Deno.kill(descendant(command, "worker.ts"), "SIGKILL");
        kills++;
      } catch {
        // None is there at the moment.
      }
      await delay(systemClock, 50);
    }
    assertSentence(
      await command.ended,
      1,
      /^Failed: Worker "w0-5" .* was ended by SIGKILL, as 5 processes before it in its place, .*; out of memory/,
    );
    assert.ok(kills >= 6);
    await assertNothingLeft(command);
  }),
});
