/** How a run ends by the signals of terminals and batch systems, and by which it does not. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { delay, systemClock } from "../../net/clock.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertNothingLeft, descendant, inFolder, longRun, start } from "./command.ts";

const ignore = natsServerMissing || Deno.build.os !== "linux";
const root = fileURLToPath(new URL("../../", import.meta.url));

async function savedSteps(folder: string): Promise<number[]> {
  const names = await Array.fromAsync(Deno.readDir(`${folder}/checkpoints`), ({ name }) => name);
  return names.map((name) => Number(name.split("-")[1])).sort((a, b) => a - b);
}

for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTERM"] as const) {
  Deno.test({
    name: `${signal} to train, however often, writes a checkpoint of the step at which it ends`,
    ignore,
    fn: inFolder(async (cwd) => {
      const args = [...longRun, "--workers", "2", "--checkpoint-steps", "40000", "--out", "run"];
      const command = start("train", args, { cwd });
      await command.until(/step \d+\/50000/);
      command.kill(signal);
      // Batch systems repeat themselves; a second Ctrl-C or SIGTERM alone ends at once.
      if (signal !== "SIGTERM") {
        await delay(systemClock, 600);
        try {
          command.kill(signal);
        } catch {
          // It has ended.
        }
      }
      const { code, stderr } = await command.ended;
      assert.equal(code, 130, stderr);
      const [, step] = stderr.match(/\nStopped at step (\d+); go on from step \1 with --resume /)!;
      assert.equal((await savedSteps(`${cwd}/run`)).at(-1), Number(step));
      await assertNothingLeft(command);
    }),
  });
}

Deno.test({
  name:
    "what a shell started with SIGHUP ignored, or by nohup, goes on when its terminal is closed",
  ignore,
  fn: inFolder(async (cwd) => {
    for (const begin of ["trap '' HUP; exec", "nohup"]) {
      const out = begin.split(" ")[0];
      const args = [...longRun, "--workers", "1", "--out", out].join(" ");
      const line = `${begin} ${Deno.execPath()} run --config ${root}deno.json -A ` +
        `${root}launch/train.ts ${args} 2> ${out}.log > /dev/null & echo $!; wait`;
      const shell = new Deno.Command("bash", { args: ["-c", line], cwd, stdout: "piped" }).spawn();
      const reader = shell.stdout.getReader();
      const pid = Number(new TextDecoder().decode((await reader.read()).value));
      const metrics = `${cwd}/${out}/metrics.jsonl`;
      const steps = async () =>
        (await Deno.readTextFile(metrics).catch(() => "")).split("\n").filter((each) =>
          each.includes("learningRate")
        ).length;
      const reach = async (count: number) => {
        while (await steps() < count) await delay(systemClock, 100);
      };
      try {
        await reach(5);
        Deno.kill(pid, "SIGHUP");
        await reach(await steps() + 20);
      } finally {
        Deno.kill(pid, "SIGINT");
        await reader.cancel();
        await shell.status;
      }
      assert.match(await Deno.readTextFile(`${cwd}/${out}.log`), /\nStopped at step \d+; /);
    }
  }),
});

Deno.test({
  name: "a worker that gets SIGHUP, SIGUSR1 or SIGUSR2 leaves, and the run goes on without it",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...longRun, "--workers", "2", "--port", "0", "--out", "run"];
    const coordinator = start("coordinator", args, { cwd });
    await coordinator.until(/deno task worker --connect run\/connection\.json/);
    const join = ["--connect", "run/connection.json"];
    const startWorker = (name: string) => start("worker", [...join, "--name", name], { cwd });
    startWorker("stays");
    for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const) {
      const name = signal.toLowerCase();
      const worker = startWorker(name);
      await coordinator.until(/step \d+\/50000/);
      if (signal !== "SIGHUP") await coordinator.until(new RegExp(`Worker "${name}" joined`));
      worker.kill(signal);
      const { code, stderr } = await worker.ended;
      assert.equal(code, 0, stderr);
      // Another one of its kind would not.
      assert.match(stderr, /^Waiting for the next snapshot to leave; Ctrl-C twice ends at once$/m);
      await coordinator.until(new RegExp(`Worker "${name}" left`));
    }
    const pressed = startWorker("pressed");
    await coordinator.until(/Worker "pressed" joined/);
    pressed.kill("SIGINT");
    await pressed.until(/Waiting for the coordinator to stop; once more ends at once\n/);
    pressed.kill("SIGUSR1");
    const { code: left, stderr: said } = await pressed.ended;
    assert.equal(left, 0, said);
    assert.match(said, /^Waiting for the next snapshot to leave; Ctrl-C ends at once$/m);
    await coordinator.until(/Worker "pressed" left/);
    coordinator.kill("SIGHUP");
    const { code, stderr } = await coordinator.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /\nStopped at step \d+; /);
  }),
});

Deno.test({
  name: "a worker that leaves has its step kept, however far the next snapshot is",
  ignore,
  fn: inFolder(async (cwd) => {
    const far = ["--snapshot-steps", "40000", "--checkpoint-steps", "40000"];
    const args = [...longRun, ...far, "--workers", "2", "--out", "run"];
    const command = start("train", args, { cwd });
    await command.until(/step \d+\/50000/);
    const [first, second] = ["--name w0 ", "--name w1 "].map((name) => descendant(command, name));
    Deno.kill(first, "SIGTERM");
    await command.until(/Worker "w0" left; going on with 1/);
    const [kept] = (await savedSteps(`${cwd}/run`)).slice(-1);
    assert.ok(kept > 0, `${kept}`);
    // With the last of them, the run ends at its last step.
    Deno.kill(second, "SIGTERM");
    const { code, stderr } = await command.ended;
    assert.equal(code, 130, stderr);
    const [, step] = stderr.match(/\nInterrupted; go on from step (\d+) with --resume /)!;
    assert.ok(Number(step) > kept, stderr);
    assert.doesNotMatch(stderr, / lost: nobody was left /);
    await assertNothingLeft(command);
  }),
});

Deno.test({
  name: "SIGTERM to every process of a run at once saves its last step, or tells what is lost",
  ignore,
  fn: inFolder(async (cwd) => {
    const far = ["--snapshot-steps", "40000", "--checkpoint-steps", "40000"];
    const args = [...longRun, ...far, "--workers", "2", "--out", "run"];
    const command = start("train", args, { cwd });
    await command.until(/step \d+\/50000/);
    for (const pid of [...command.descendants().keys(), command.pid]) Deno.kill(pid, "SIGTERM");
    const { code, stderr } = await command.ended;
    assert.equal(code, 130, stderr);
    const saved = (await savedSteps(`${cwd}/run`)).at(-1);
    const stopped = stderr.match(/\nStopped at step (\d+);/)?.[1];
    const [, lost] = stderr.match(/\nSteps? (\d+) .*lost: nobody was left to save /) ?? [];
    if (stopped === undefined) assert.equal(Number(lost), saved! + 1, stderr);
    else assert.equal(Number(stopped), saved, stderr);
    await assertNothingLeft(command);
  }),
});
