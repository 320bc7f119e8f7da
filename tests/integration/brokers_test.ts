/** Runs by hand on brokers as others set them up: clusters, short messages, tokens. */
import assert from "node:assert/strict";
import { delay, systemClock } from "../../net/clock.ts";
import { certificates } from "../support/certificates.ts";
import { startTestCluster } from "../support/nats_cluster.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import {
  assertSentence,
  type Command,
  inFolder,
  run,
  smallRun,
  start,
  trained,
} from "./command.ts";

const ignore = natsServerMissing;

/** Waits until the run in `run/` has done so many steps. */
async function reached(cwd: string, step: number): Promise<void> {
  for (;;) {
    const text = await Deno.readTextFile(`${cwd}/run/metrics.jsonl`).catch(() => "");
    const steps = text.split("\n").slice(0, -1).map((line) => JSON.parse(line).step as number);
    if (steps.some((each) => each >= step)) return;
    await delay(systemClock, 20);
  }
}

/** Its end is well, and its bits are those of `train` with the same flags. */
async function assertSameBits(
  coordinator: Command,
  flags: readonly string[],
  cwd: string,
): Promise<void> {
  const { code, stdout, stderr } = await coordinator.ended;
  assert.equal(code, 0, stderr);
  const expected = await trained([...flags, "--out", "other"], { cwd });
  assert.equal(JSON.parse(stdout).parametersSha256, expected.parametersSha256);
}

Deno.test({
  name: "a run on a cluster outlives the server of a worker and that of its coordinator",
  ignore,
  fn: inFolder(async (cwd) => {
    const cluster = await startTestCluster();
    const flags = [...smallRun, "--sequences", "100000", "--steps", "600", "--workers", "2"];
    try {
      const at = (server: number) => ["--nats", cluster.servers[server].url, "--run", "r"];
      const head = [...flags, "--snapshot-steps", "20", ...at(0), "--out", "run", "--json"];
      const coordinator = start("coordinator", head, { cwd });
      await coordinator.until(/Waiting for 2 workers/);
      const workers = [1, 2].map((server) =>
        start("worker", [...at(server), "--name", `w${server}`], { cwd })
      );
      await reached(cwd, 40);
      cluster.servers[1].process.kill("SIGKILL");
      await coordinator.until(/Worker "w1" joined; going on with 2/);
      await reached(cwd, 120);
      cluster.servers[0].process.kill("SIGKILL");
      await coordinator.until(/Lost the connection to nats:.*; waiting for it to come back/);
      await assertSameBits(coordinator, [...flags, "--snapshot-steps", "20"], cwd);
      for (const worker of workers) {
        const { code, stderr } = await worker.ended;
        assert.equal(code, 0, stderr);
      }
    } finally {
      await cluster.stop();
    }
  }),
});

Deno.test({
  name: "messages are as short as the least of the brokers takes, and no bit differs",
  ignore,
  fn: inFolder(async (cwd) => {
    const cluster = await startTestCluster(["max_payload: 20000", "max_payload: 8192"]);
    const flags = [...smallRun, "--filters", "16", "--steps", "6", "--workers", "2"];
    try {
      const at = (server: number) => ["--nats", cluster.servers[server].url, "--run", "r"];
      const args = [...flags, "--snapshot-steps", "2", ...at(0), "--out", "run", "--json"];
      const coordinator = start("coordinator", args, { cwd });
      await coordinator.until(/Waiting for 2 workers/);
      // The other server takes 1 MiB.
      const workers = [1, 2].map((server) => run("worker", at(server), { cwd }));
      await assertSameBits(coordinator, [...flags, "--snapshot-steps", "2"], cwd);
      for (const { code, stderr } of await Promise.all(workers)) assert.equal(code, 0, stderr);
      // It goes on from what was restored through the same brokers.
      const more = ["--steps", "8", ...at(0), "--out", "run", "--resume", "--json"];
      const resumed = start("coordinator", [...flags, "--snapshot-steps", "2", ...more], { cwd });
      const again = [1, 2].map((server) => run("worker", at(server), { cwd }));
      const { code, stdout, stderr } = await resumed.ended;
      assert.equal(code, 0, stderr);
      const longer = [...flags, "--snapshot-steps", "2", "--steps", "8", "--out", "longer"];
      const { parametersSha256 } = await trained(longer, { cwd });
      assert.equal(JSON.parse(stdout).parametersSha256, parametersSha256);
      await Promise.all(again);
    } finally {
      await cluster.stop();
    }
  }),
});

Deno.test({
  name: "a token comes from the environment or a file of its own, and is on no command line",
  ignore,
  fn: inFolder(async (cwd) => {
    const token = "s3cret-of-the-broker";
    const server = await startTestServer({ config: `authorization { token: "${token}" }` });
    const flags = [...smallRun, "--steps", "4", "--workers", "2"];
    const broker = ["--nats", server.url, "--run", "r"];
    await Deno.writeTextFile(`${cwd}/token`, `${token}\n`, { mode: 0o600 });
    await Deno.writeTextFile(`${cwd}/open`, token, { mode: 0o644 });
    try {
      const args = [...flags, ...broker, "--nats-token", "token", "--out", "run", "--json"];
      const coordinator = start("coordinator", args, { cwd });
      await coordinator.until(/Waiting for 2 workers/);
      for (const line of coordinator.descendants().values()) assert.ok(!line.includes(token));
      assertSentence(
        await run("worker", broker, { cwd }),
        1,
        /^Failed: Cannot log in: nats:.* refused the credentials; set .* LOCKSTEP_NATS_TOKEN/,
      );
      assertSentence(
        await run("worker", [...broker, "--nats-token", "open"], { cwd }),
        2,
        /^Wrong usage: Cannot use --nats-token open: others may read it \(mode 644\); run: chmod 600/,
      );
      assertSentence(
        await run("worker", [...broker, "--nats-token", "none"], { cwd }),
        2,
        /^Wrong usage: Cannot use --nats-token none: No such file/,
      );
      const workers = [
        run("worker", broker, { cwd, env: { LOCKSTEP_NATS_TOKEN: token } }),
        run("worker", ["--connect", "run/connection.json"], { cwd }),
      ];
      await assertSameBits(coordinator, flags, cwd);
      for (const { code, stderr } of await Promise.all(workers)) assert.equal(code, 0, stderr);
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name: "a broker that asks for certificates gets them of coordinator and workers, by flags",
  ignore,
  fn: inFolder(async (cwd) => {
    if (!await certificates(cwd)) return console.warn("Skipped: openssl is not there");
    const server = await startTestServer({
      config: `tls { cert_file: "${cwd}/cert.pem", key_file: "${cwd}/key.pem",
        ca_file: "${cwd}/ca.pem", verify: true, handshake_first: true }`,
    });
    const flags = [...smallRun, "--steps", "4", "--workers", "2"];
    const broker = ["--nats", server.url.replace("nats:", "tls:"), "--run", "r"];
    const own = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    const named = [...broker, "--tls-ca", "ca.pem", "--tls-first"];
    try {
      const args = [...flags, ...named, ...own, "--out", "run", "--json"];
      const coordinator = start("coordinator", args, { cwd });
      await coordinator.until(/--connect run\/connection\.json --tls-cert FILE --tls-key FILE/);
      const connection = JSON.parse(await Deno.readTextFile(`${cwd}/run/connection.json`));
      assert.deepEqual(Object.keys(connection), ["url", "run", "ca", "tlsFirst"]);
      assertSentence(
        await run("worker", [...named, "--join-timeout", "1"], { cwd }),
        1,
        /^Failed: Cannot connect to tls:.* give --tls-cert and --tls-key$/,
      );
      assertSentence(
        await run("worker", [...named, "--tls-cert", "cert.pem"], { cwd }),
        2,
        /^Wrong usage: Give --tls-cert and --tls-key together$/,
      );
      assertSentence(
        await run("worker", [...named, "--tls-cert", "key.pem", "--tls-key", "key.pem"], { cwd }),
        2,
        /^Wrong usage: Cannot use --tls-cert key\.pem: it holds no certificate in PEM$/,
      );
      const workers = [
        run("worker", [...named, ...own], { cwd }),
        run("worker", ["--connect", "run/connection.json", ...own], { cwd }),
      ];
      await assertSameBits(coordinator, flags, cwd);
      for (const { code, stderr } of await Promise.all(workers)) assert.equal(code, 0, stderr);
    } finally {
      await server.stop();
    }
  }),
});

Deno.test({
  name: "a coordinator may not read the private key of a broker of its own, nor is told of it",
  ignore,
  fn: inFolder(async (cwd) => {
    if (!await certificates(cwd)) return console.warn("Skipped: openssl is not there");
    const own = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-ca", "ca.pem"];
    const args = [...smallRun, "--steps", "2", "--workers", "1", "--port", "0", ...own];
    const coordinator = start("coordinator", [...args, "--out", "run"], { cwd });
    await coordinator.until(/Waiting for 1 worker/);
    const [head] = [...coordinator.descendants().values()].filter((line) =>
      line.includes("launch/coordinator.ts")
    );
    assert.match(head, /--allow-read=\S*ca\.pem/);
    assert.doesNotMatch(head, /key\.pem|cert\.pem/);
    const worker = await run("worker", ["--connect", "run/connection.json"], { cwd });
    assert.equal(worker.code, 0, worker.stderr);
    const { code, stderr } = await coordinator.ended;
    assert.equal(code, 0, stderr);
  }),
});
