/** Who comes first waits for whoever comes later: a script starts all of them at the same moment. */
import assert from "node:assert/strict";
import { delay, systemClock } from "../../net/clock.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import { assertSentence, inFolder, run, smallRun, start } from "./command.ts";

const ignore = natsServerMissing;

/** A port of this machine on which nobody listens. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

Deno.test({
  name: "a worker waits for the connection file, also where an old one names a broker that is gone",
  ignore,
  fn: inFolder(async (cwd) => {
    for (const hasOldFile of [false, true]) {
      const out = hasOldFile ? "second" : "first";
      const path = `${cwd}/${out}/connection.json`;
      if (hasOldFile) {
        await Deno.mkdir(`${cwd}/${out}`);
        const old = { url: `nats://127.0.0.1:${freePort()}`, run: "old" };
        await Deno.writeTextFile(path, JSON.stringify(old));
      }
      const worker = start("worker", ["--connect", path], { cwd });
      await worker.until(hasOldFile ? /nobody listens there.*; waiting for it/ : /^Waiting up to/);
      if (hasOldFile) await Deno.remove(path);
      const args = [...smallRun, "--steps", "3", "--workers", "1", "--port", "0", "--out", out];
      const coordinator = start("coordinator", args, { cwd });
      assert.equal((await worker.ended).code, 0, (await worker.ended).stderr);
      assert.equal((await coordinator.ended).code, 0, (await coordinator.ended).stderr);
    }
  }),
});

Deno.test({
  name:
    "worker and coordinator wait for the broker that --nats names, as long as --join-timeout says",
  ignore,
  fn: inFolder(async (cwd) => {
    const port = freePort();
    const broker = ["--nats", `nats://127.0.0.1:${port}`, "--run", "r"];
    const args = [...smallRun, "--steps", "3", "--workers", "1", ...broker, "--out", "run"];
    const coordinator = start("coordinator", args, { cwd });
    const worker = start("worker", [...broker, "--name", "w0"], { cwd });
    for (const each of [coordinator, worker]) await each.until(/nobody listens .* up to 60 s$/m);
    const server = await startTestServer({ args: ["--port", `${port}`] });
    try {
      for (const each of [coordinator, worker]) {
        const { code, stderr } = await each.ended;
        assert.equal(code, 0, stderr);
      }
    } finally {
      await server.stop();
    }
    const again = ["--join-timeout", "1"];
    const pattern = /^Failed: Cannot connect to nats:\/\/127\.0\.0\.1:\d+: nobody listens there; /;
    assertSentence(await run("worker", [...broker, ...again], { cwd }), 1, pattern);
    const late = [...args, "--out", "late", ...again];
    assertSentence(await run("coordinator", late, { cwd }), 1, pattern);
    assertSentence(
      await run("worker", ["--connect", "none.json", ...again], { cwd }),
      2,
      /^Wrong usage: Cannot read connection file none\.json: .*, for 1 s; start `deno task coordinator`, /,
    );
  }),
});

Deno.test({
  name:
    "a worker that waits for file, broker or coordinator ends at once when it is asked to leave",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    try {
      const nobody = `nats://127.0.0.1:${freePort()}`;
      const waiting: [readonly string[], RegExp | undefined][] = [
        [["--connect", "none.json"], /^Waiting up to/],
        [["--nats", nobody, "--run", "r"], /nobody listens there/],
        // It says nothing while it asks for a coordinator.
        [["--nats", server.url, "--run", "r"], undefined],
      ];
      for (const [args, isWaiting] of waiting) {
        const worker = start("worker", [...args, "--join-timeout", "600"], { cwd });
        if (isWaiting) await worker.until(isWaiting);
        else await delay(systemClock, 3_000);
        worker.kill("SIGTERM");
        const { code, stderr } = await worker.ended;
        assert.equal(code, 0, stderr);
      }
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name: "a run waits for its first workers as long as --start-timeout says",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...smallRun, "--steps", "3", "--workers", "2", "--port", "0", "--out", "run"];
    assertSentence(
      await run("coordinator", [...args, "--start-timeout", "1"], { cwd }),
      1,
      /^Failed: Cannot start: 0 of 2 workers joined within 1 s; start the others, or lower /,
    );
  }),
});
