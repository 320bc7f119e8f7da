import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { patienceMsMax } from "../../coordinator/membership/failure_detector.ts";
import { startNatsServer } from "../../launch/nats_server.ts";
import { delay, systemClock } from "../../net/clock.ts";
import { connectNats } from "../../net/nats_transport.ts";
import { findNatsServer, natsServerMissing } from "../support/nats_server.ts";

const ignore = natsServerMissing;
const binary = findNatsServer() ?? "";

/** Runs a test with a folder of its own for temporary files, given to it and empty at its end. */
function withTemporaryFolder(test: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-test-" });
    const previous = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", folder);
    try {
      await test(folder);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    } finally {
      previous === undefined ? Deno.env.delete("TMPDIR") : Deno.env.set("TMPDIR", previous);
      await Deno.remove(folder, { recursive: true });
    }
  };
}

async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "startNatsServer() takes its own credentials only, and keeps them off the command line",
  ignore,
  fn: withTemporaryFolder(async (folder) => {
    const server = await startNatsServer({ binary, payloadBytesMax: 2 << 20 });
    try {
      const { url, user, password } = server;
      const transport = await connectNats({
        servers: url,
        name: "test",
        credentials: { user, password },
      });
      assert.equal(transport.payloadBytesMax, 2 << 20);
      await transport.close();
      await assert.rejects(connectNats({ servers: url, name: "test" }));
      await assert.rejects(
        connectNats({ servers: url, name: "test", credentials: { user, password: "other" } }),
      );

      const { stdout } = await new Deno.Command("ps", { args: ["-eo", "args"] }).output();
      const commandLines = new TextDecoder().decode(stdout);
      assert.ok(commandLines.includes(`-c ${folder}/`));
      assert.ok(!commandLines.includes(password));
      const [{ name }] = [...Deno.readDirSync(folder)];
      assert.equal(Deno.statSync(`${folder}/${name}/nats-server.conf`).mode! & 0o777, 0o600);
      // Nobody is cut off for what the coordinator bears with.
      const text = await Deno.readTextFile(`${folder}/${name}/nats-server.conf`);
      const seconds = (option: string) => Number(text.match(`${option}: "(\\d+)s"`)![1]);
      assert.ok(1000 * seconds("write_deadline") >= patienceMsMax);
      // The server gives up at the third ping that is to be sent while two are not answered.
      assert.ok(1000 * 3 * seconds("ping_interval") > patienceMsMax);
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name: "NatsServer.stop() may be called again, and leaves no process and no file",
  ignore,
  fn: withTemporaryFolder(async () => {
    const server = await startNatsServer({ binary });
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    assert.equal(await accepts(server.port), false);
    assert.match(await server.ended, /Exiting/);
  }),
});

Deno.test({
  name: "NatsServer.ended resolves when the server crashes",
  ignore,
  fn: withTemporaryFolder(async () => {
    const server = await startNatsServer({ binary });
    Deno.kill(server.pid, "SIGKILL");
    assert.match(await server.ended, /Server is ready/);
    await server.stop();
  }),
});

Deno.test({
  name: "startNatsServer() says that a port is in use and what to do",
  ignore,
  fn: withTemporaryFolder(async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    await assert.rejects(startNatsServer({ binary, port }), {
      name: "NatsServerError",
      message: `Cannot start nats-server on 127.0.0.1:${port}: the port is in use; ` +
        "give another one, or 0 for any free one",
    });
  }),
});

Deno.test({
  name: "startNatsServer() tells a missing binary, one that ends, and one that hangs",
  fn: withTemporaryFolder(async (folder) => {
    await assert.rejects(
      startNatsServer({ binary: "/nowhere/nats-server" }),
      /"\/nowhere\/nats-server": not there or not executable; run "deno task setup"/,
    );
    await assert.rejects(startNatsServer({ binary: "true" }), /"true": it ended at once/);
    const script = `${folder}/hangs`;
    await Deno.writeTextFile(script, "#!/bin/sh\necho hanging\nexec sleep 60\n", { mode: 0o755 });
    await assert.rejects(
      startNatsServer({ binary: script, startTimeoutMs: 200 }),
      /not ready within 200 ms; it said: hanging/,
    );
    await Deno.remove(script);
  }),
});

Deno.test({
  name: "startNatsServer() leaves no server and no file behind a launcher that was killed",
  ignore,
  fn: withTemporaryFolder(async (folder) => {
    const module = new URL("../../launch/nats_server.ts", import.meta.url).href;
    const launcher = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `const { startNatsServer } = await import(${JSON.stringify(module)});
         const server = await startNatsServer({ binary: ${JSON.stringify(binary)} });
         console.log(server.port);
         await server.ended;`,
      ],
      stdout: "piped",
    }).spawn();
    const reader = launcher.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const port = Number((await reader.read()).value);
    assert.equal(await accepts(port), true);
    launcher.kill("SIGKILL");
    await launcher.status;
    await reader.cancel();
    const isLeft = async () => [...Deno.readDirSync(folder)].length > 0 || await accepts(port);
    for (let i = 0; i < 1_200 && await isLeft(); i++) {
      await delay(systemClock, 50);
    }
    assert.equal(await accepts(port), false);
  }),
});

Deno.test({
  name: "startNatsServer names the variable of a temporary folder that is not there, or full",
  ignore: ignore || Deno.build.os !== "linux",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-test-" });
    const module = new URL("../../launch/nats_server.ts", import.meta.url).href;
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    const program = `import { startNatsServer } from ${JSON.stringify(module)};
      Deno.addSignalListener("SIGXFSZ", () => {});
      const [limit] = Deno.args;
      const args = ["--fsize=" + limit, "--pid", String(Deno.pid)];
      if (limit) await new Deno.Command("prlimit", { args }).output();
      await startNatsServer({ binary: ${JSON.stringify(binary)} }).then(
        (server) => server.stop().then(() => console.log("it began")),
        (error) => console.log(error.name + ": " + error.message),
      );
      Deno.exit(0);`;
    await Deno.writeTextFile(`${folder}/start.ts`, program);
    const said = async (TMPDIR: string, limit = "") => {
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "--config", config, `${folder}/start.ts`, limit],
        env: { TMPDIR },
      }).output();
      return new TextDecoder().decode(stdout).trim();
    };
    const sentence = (why: string) =>
      new RegExp(
        `^NatsServerError: Cannot write temporary files in TMPDIR="${folder}[a-z/]*": ${why}.*; set ` +
          "TMPDIR to a folder that can be written and has room$",
      );
    try {
      assert.match(await said(`${folder}/none`), sentence("No such file or directory"));
      await Deno.mkdir(`${folder}/tmp`);
      // As where a disk is full, a write fails: here of what the server would write.
      assert.match(await said(`${folder}/tmp`, "20480"), sentence("File too large"));
      assert.deepEqual([...Deno.readDirSync(`${folder}/tmp`)], [], "what was begun is removed");
      assert.equal(await said(`${folder}/tmp`), "it began");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
