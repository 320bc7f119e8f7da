import assert from "node:assert/strict";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, inFolder, run, smallRun, start, trained } from "./command.ts";

const wasmRun = [...smallRun, "--engine", "wasm", "--steps", "3"];

/** Nothing to find and nothing to fetch it with: no Python, no PATH, an empty cache. */
function bare(cwd: string) {
  const env = {
    PATH: cwd,
    NATS_SERVER: "",
    TF_LIBRARY: "",
    LOCKSTEP_CACHE: `${cwd}/cache`,
  };
  return { cwd, env };
}

Deno.test({
  name: "train without nats-server and libtensorflow says so and trains in its own process",
  fn: inFolder(async (cwd) => {
    const args = [...smallRun, "--engine", "auto", "--steps", "3", "--out", "run", "--json"];
    const { code, stdout, stderr } = await run("train", args, bare(cwd));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /nats-server.*; install nats-server/);
    assert.match(stderr, /tensorflow.*; install Python's package/);
    assert.match(stderr, /\nNo nats-server: one worker trains in this process\n/);
    const { engine, workers, steps, parametersSha256 } = JSON.parse(stdout);
    assert.deepEqual([engine, workers, steps], ["wasm", 1, 3]);
    if (natsServerMissing) return;
    const clustered = await trained([...wasmRun, "--workers", "2", "--out", "2"], { cwd });
    assert.equal(clustered.parametersSha256, parametersSha256);
  }),
});

Deno.test({
  name: "train without nats-server takes Ctrl-C between two calls of the wasm engine",
  ignore: Deno.build.os === "windows",
  fn: inFolder(async (cwd) => {
    const args = [...smallRun, "--engine", "wasm", "--sequences", "100000", "--steps", "50000"];
    const command = start("train", [...args, "--out", "run"], bare(cwd));
    await command.until(/step 1\/50000/);
    command.kill("SIGINT");
    const { code, stderr } = await command.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /\nStopped at step \d+; go on from step \d+ with --resume --out run\n$/);
  }),
});

Deno.test({
  name: "train does not replace what was asked for by name with something slower",
  fn: inFolder(async (cwd) => {
    const options = bare(cwd);
    assertSentence(
      await run("train", [...wasmRun, "--workers", "2"], options),
      2,
      /^Wrong usage: Cannot run 2 workers without a broker: install nats-server or /,
    );
    assertSentence(
      await run("train", [...smallRun, "--engine", "tensorflow", "--steps", "3"], options),
      1,
      /^Failed: .*install Python's package tensorflow/,
    );
    const wrong = { TF_LIBRARY: `${cwd}/none.so`, NATS_SERVER: `${cwd}/none` };
    for (const [name, path] of Object.entries(wrong)) {
      assertSentence(
        await run("train", [...smallRun, "--engine", "auto", "--steps", "3"], {
          cwd,
          env: { ...options.env, [name]: path },
        }),
        1,
        new RegExp(`^Failed: .*${path}`),
      );
    }
    const left = [...Deno.readDirSync(cwd)].map(({ name }) => name);
    assert.deepEqual(left.filter((name) => name !== "cache"), []);
  }),
});
