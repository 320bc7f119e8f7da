/** Two coordinators under one name of a run, as two users make them who both chose "test". */
import assert from "node:assert/strict";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import {
  assertNothingLeft,
  assertSentence,
  inFolder,
  longRun,
  run,
  smallRun,
  start,
  trained,
} from "./command.ts";

const ignore = natsServerMissing;
const taken = /^Failed: Cannot lead run "test": another coordinator (leads|is about to lead) it /;

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test({
  name: "a second coordinator is refused whenever it comes, and the first one's bits are its own",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    const broker = ["--nats", server.url, "--run", "test"];
    const args = (seed: number) => [...longRun, "--steps", "400", "--seed", `${seed}`];
    const second = (out: string) =>
      run("coordinator", [...args(2), "--workers", "1", ...broker, "--out", out], { cwd });
    try {
      const expected = await trained([...args(1), "--workers", "1", "--out", "alone"], { cwd });
      const first = start(
        "coordinator",
        [...args(1), "--workers", "2", ...broker, "--out", "first", "--json"],
        { cwd },
      );
      await first.until(/Waiting for 2 workers/);
      assertSentence(await second("waiting"), 1, taken);
      const workers = ["w0", "w1"].map((name) =>
        start("worker", [...broker, "--name", name], { cwd })
      );
      await first.until(/step \d+\/400/);
      assertSentence(await second("running"), 1, taken);
      for (const worker of workers) {
        const { code, stderr } = await worker.ended;
        assert.equal(code, 0, stderr);
      }
      const { code, stdout, stderr } = await first.ended;
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).parametersSha256, expected.parametersSha256);
      assert.equal(JSON.parse(stdout).restarts, 0);
      for (const out of ["waiting", "running"]) {
        assert.equal(await exists(`${cwd}/${out}`), false, `${out} is left`);
      }
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name:
    "of two coordinators that come at the same moment one is refused, and the other one's run ends well",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    const broker = ["--nats", server.url, "--run", "test"];
    const args = (seed: number) => [...smallRun, "--steps", "20", "--seed", `${seed}`];
    try {
      const heads = [1, 2].map((seed) =>
        start("coordinator", [
          ...[...args(seed), "--workers", "1", ...broker, "--out", `run${seed}`, "--json"],
        ], { cwd })
      );
      const worker = start("worker", [...broker, "--name", "w0"], { cwd });
      const ends = await Promise.all(heads.map(({ ended }) => ended));
      assert.equal((await worker.ended).code, 0, (await worker.ended).stderr);
      const leader = ends.findIndex(({ code }) => code === 0);
      assert.ok(leader >= 0, ends.map(({ stderr }) => stderr).join("\n"));
      assertSentence(ends[1 - leader], 1, taken);
      const alone = [...args(leader + 1), "--workers", "1", "--out", "alone"];
      const expected = await trained(alone, { cwd });
      const { parametersSha256 } = JSON.parse(ends[leader].stdout);
      assert.equal(parametersSha256, expected.parametersSha256);
      for (const head of heads) await assertNothingLeft(head);
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name: "a coordinator that waits for its first worker's engine leads already, and keeps its file",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    const broker = ["--nats", server.url, "--run", "test"];
    const open = smallRun.filter((_, index) => index > 1);
    const args = [...open, "--steps", "3", "--workers", "1", ...broker];
    try {
      const first = start("coordinator", [...args, "--out", "first"], { cwd });
      await first.until(/Waiting for 1 worker with engine tensorflow or wasm/);
      const path = `${cwd}/first/connection.json`;
      const written = await Deno.readTextFile(path);
      assertSentence(await run("coordinator", [...args, "--out", "second"], { cwd }), 1, taken);
      assertSentence(
        await run("coordinator", [...args, "--out", "first"], { cwd }),
        1,
        /^Failed: Cannot use run folder first: another process trains in it/,
      );
      assert.equal(await Deno.readTextFile(path), written);
      const worker = start("worker", ["--connect", path], { cwd });
      assert.equal((await worker.ended).code, 0, (await worker.ended).stderr);
      assert.equal((await first.ended).code, 0, (await first.ended).stderr);
      assert.equal(await exists(path), false);
    } finally {
      await server.stop();
    }
  }),
});
