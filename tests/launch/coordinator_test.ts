import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { writeConnection } from "../../launch/connection_file.ts";
import { inFolder, smallRun, trained } from "../integration/command.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";

const ignore = natsServerMissing;
const program = fileURLToPath(new URL("../../launch/coordinator.ts", import.meta.url));

/** A coordinator as `train` starts it, with what its launcher says to it at once. */
async function ended(
  { cwd, url, order, flags = [], meanwhile = () => Promise.resolve() }: {
    cwd: string;
    url: string;
    order: Record<string, string>;
    flags?: readonly string[];
    meanwhile?: () => Promise<unknown>;
  },
): Promise<{ code: number; stderr: string }> {
  const own = ["--nats", url, "--run", "r", "--with-parent", "--out", "run"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, ...smallRun, "--steps", "3", "--workers", "1", ...own, ...flags],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const stderr = new Response(child.stderr).text();
  await writer.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
  await meanwhile();
  const { code } = await child.status;
  await writer.close().catch(() => {});
  return { code, stderr: await stderr };
}

Deno.test({
  name: "a coordinator takes what its launcher said before it was ready to hear it",
  ignore,
  fn: inFolder(async (cwd) => {
    const server = await startTestServer();
    try {
      const { url } = server;
      const failed = await ended({ cwd, url, order: { reason: "worker w0 is broken" } });
      assert.equal(failed.code, 1, failed.stderr);
      assert.match(failed.stderr, /^Failed: worker w0 is broken$/m);
      const abandoned = await ended({ cwd, url, order: {} });
      assert.equal(abandoned.code, 130, abandoned.stderr);
      assert.match(abandoned.stderr, /^Interrupted before the first step$/m);
    } finally {
      await server.stop();
    }
  }),
});

/** The broker comes once the coordinator has asked for it. */
function waitsForBroker(
  flags: readonly string[],
  before: (cwd: string, url: string) => Promise<void> = () => Promise.resolve(),
): () => Promise<void> {
  return inFolder(async (cwd) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    let server: { stop(): Promise<void> } | undefined;
    try {
      const url = `nats://127.0.0.1:${port}`;
      await before(cwd, url);
      const { code, stderr } = await ended({
        ...{ cwd, url, order: {}, flags },
        async meanwhile() {
          // It has asked once, and nobody answered.
          (await listener.accept()).close();
          listener.close();
          server = await startTestServer({ args: ["--port", `${port}`] });
        },
      });
      assert.equal(code, 130, stderr);
      assert.match(stderr, /^Cannot connect to nats:.*; waiting for it up to \d+ s$/m);
      assert.match(stderr, /^Interrupted before the first step$/m);
    } finally {
      await server?.stop();
    }
  });
}

Deno.test({
  name: "a coordinator that its launcher starts while the broker is away waits for it",
  ignore,
  fn: waitsForBroker([]),
});

async function announced(cwd: string, url: string): Promise<void> {
  await Deno.mkdir(`${cwd}/run`);
  await writeConnection(`${cwd}/run/connection.json`, { url, run: "r" });
}

Deno.test({
  name:
    "a coordinator by hand waits for the broker that workers were told of, for --join-timeout else",
  ignore,
  async fn() {
    await waitsForBroker(["--announce"], announced)();
    await inFolder(async (cwd) => {
      await announced(cwd, "nats://127.0.0.1:4222");
      const url = "nats://127.0.0.1:1";
      const flags = ["--announce", "--join-timeout", "1"];
      const { code, stderr } = await ended({ cwd, url, order: {}, flags });
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^Failed: Cannot connect to nats:\/\/127\.0\.0\.1:1: /m);
    })();
  },
});

Deno.test({
  name:
    "a resumed run has the curves of its earlier life, which may have been killed, from the start",
  ignore,
  fn: inFolder(async (cwd) => {
    await trained([...smallRun, "--steps", "3", "--workers", "1", "--out", "run"], { cwd });
    await Deno.remove(`${cwd}/run/training.png`);
    const server = await startTestServer();
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", program, "--nats", server.url, "--run", "r", "--out", "run", "--resume"]
        .concat("--with-parent", "--steps", "6"),
      cwd,
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const isThere = () => Deno.stat(`${cwd}/run/training.png`).then(() => true, () => false);
      const secondsMax = 60;
      for (let waited = 0; !await isThere() && waited < secondsMax; waited += 0.1) await delay(100);
      assert.ok(await isThere(), `no picture after ${secondsMax} s`);
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await child.stdin.close().catch(() => {});
      await server.stop();
    }
  }),
});
