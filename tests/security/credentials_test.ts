import assert from "node:assert/strict";
import { coordinatorPermissions, workerPermissions } from "../../launch/broker_permissions.ts";
import { readCredentialsFile } from "../../launch/credentials_file.ts";
import { systemClock } from "../../net/clock.ts";
import { runSubjects, workerSubjects } from "../../net/messages.ts";
import { connectNats } from "../../net/nats_transport.ts";
import { LoginRefusedError, NotPermittedError } from "../../net/transport.ts";
import { runWorker } from "../../worker/run_worker.ts";
import { newNkey, startOperator } from "../support/nats_operator.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";
import { assertSentence, inFolder, run, smallRun, start, trained } from "../integration/command.ts";

const ignore = natsServerMissing;

async function withFile(
  body: (write: (text: string, mode?: number) => Promise<string>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-credentials-" });
  try {
    await body(async (text, mode = 0o600) => {
      const path = `${folder}/login`;
      await Deno.writeTextFile(path, text);
      await Deno.chmod(path, mode);
      return path;
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Refused, by something that says why: who had waited for a limit would say that nobody answered. */
async function refusal(attempt: Promise<unknown>): Promise<Error> {
  try {
    await attempt;
  } catch (error) {
    return error as Error;
  }
  assert.fail("it was not refused");
}

Deno.test({
  name: "readCredentialsFile() takes a .creds file and a bare seed, for their owner's eyes only",
  ignore,
  fn: () =>
    withFile(async (write) => {
      const { seed } = newNkey();
      for (const text of [seed, `${seed}\n`, `# user of the run\n\n  ${seed}\r\n`]) {
        assert.deepEqual(await readCredentialsFile(await write(text)), { nkeySeed: seed });
      }
      const operator = await startOperator();
      await operator.server.stop();
      const creds = operator.credentials();
      const read = await readCredentialsFile(await write(creds));
      assert.ok(creds.includes(`\n${read.jwt}\n`) && creds.includes(`\n${read.nkeySeed}\n`));
      for (const mode of [0o640, 0o604, 0o666, 0o610]) {
        const path = await write(seed, mode);
        await assert.rejects(readCredentialsFile(path), {
          name: "UsageError",
          message: `Cannot use --nats-credentials ${path}: others may read it (mode ${
            mode.toString(8)
          }); run: chmod 600 ${path}`,
        });
      }
      // Of the last letter of base32 only the upper three bits count.
      const wrong = `${seed.slice(0, -1)}${seed.endsWith("A") ? "E" : "A"}`;
      const broken = creds.replace(read.nkeySeed, wrong);
      for (const text of ["", "secret", wrong, broken, creds.split("\n").slice(0, 4).join("\n")]) {
        await assert.rejects(readCredentialsFile(await write(text)), (error: Error) => {
          assert.match(error.message, /it holds no seed of a user's nkey; give a \.creds file or/);
          assert.ok(text === "" || !error.message.includes(text.slice(0, 10)), error.message);
          return true;
        });
      }
      await assert.rejects(readCredentialsFile(await write("x".repeat(70_000))), /70000 bytes are/);
      await assert.rejects(
        readCredentialsFile("/nowhere/login"),
        /^UsageError: Cannot use --nats-/,
      );
    }),
});

Deno.test({
  name: "a JWT that has expired is refused at once, with the time of its end",
  ignore,
  fn: () =>
    withFile(async (write) => {
      const operator = await startOperator();
      const connect = async (text: string) =>
        await connectNats({
          servers: operator.server.url,
          name: "test",
          credentials: await readCredentialsFile(await write(text)),
        });
      try {
        const good = await connect(operator.credentials({ expiresInS: 60 }));
        good.subscribe("a", (message) => message.respond(message.data));
        const asked = await good.request("a", new Uint8Array(3), { timeoutMs: 1000 });
        assert.equal(asked.length, 3);
        await good.close();
        const expired = await refusal(connect(operator.credentials({ expiresInS: -5 })));
        assert.ok(expired instanceof LoginRefusedError);
        assert.match(
          expired.message,
          /^Cannot log in: nats:.* refused the credentials; they expired at 20\S+Z: put new ones/,
        );
        // Of another operator: in the form that this one has, and unknown.
        const other = await startOperator();
        await other.server.stop();
        assert.match(
          (await refusal(connect(other.credentials()))).message,
          /^Cannot log in: .* the credentials file must be of a user whom this server knows$/,
        );
      } finally {
        await operator.server.stop();
      }
    }),
});

Deno.test({
  name: "a worker whose JWT expires while it is connected asks once more, and ends",
  ignore,
  fn: () =>
    withFile(async (write) => {
      const operator = await startOperator();
      let connections = 0;
      try {
        const path = await write(operator.credentials({ expiresInS: 2 }));
        const connect = async () => {
          connections++;
          return await connectNats({
            servers: operator.server.url,
            name: "test",
            credentials: await readCredentialsFile(path),
          });
        };
        const ended = runWorker({
          connect: async () => ({ control: await connect(), data: await connect() }),
          run: "r",
          name: "w0",
          where: "here",
          joinTimeoutMs: 60_000,
          clock: systemClock,
          open: () => assert.fail("nobody answered"),
        });
        await assert.rejects(ended, (error: Error) => {
          assert.ok(error instanceof LoginRefusedError);
          assert.match(error.message, /^Cannot log in: .*; they expired at 20\S+Z: put new ones/);
          return true;
        });
        // Two at first; two more in the second in which the server still takes the login and cuts the
        // connection at once; and the one that is refused.
        assert.ok(connections <= 5, `it connected ${connections} times`);
      } finally {
        await operator.server.stop();
      }
    }),
});

Deno.test({
  name: "a worker that the broker does not let speak under its name ends, and asks no more",
  ignore,
  fn: () =>
    withFile(async (write) => {
      const operator = await startOperator();
      const credentials = await readCredentialsFile(
        await write(operator.credentials({
          publish: [`${runSubjects("r").from}.w1.>`],
          subscribe: [">"],
        })),
      );
      const connect = () =>
        connectNats({ servers: operator.server.url, name: "test", credentials });
      try {
        const refused = await refusal(runWorker({
          connect: async () => ({ control: await connect(), data: await connect() }),
          run: "r",
          name: "w0",
          where: "here",
          joinTimeoutMs: 60_000,
          clock: systemClock,
          open: () => assert.fail("nobody answered"),
        }));
        assert.ok(refused instanceof NotPermittedError);
        assert.ok(refused.message.includes(`"${workerSubjects("r", "w0").join}": nats-server`));
      } finally {
        await operator.server.stop();
      }
    }),
});

Deno.test({
  name: "--nats-credentials: a run by hand with an nkey for each, and who has none of them",
  ignore,
  fn: inFolder(async (cwd) => {
    const roles = ["coordinator", "w0", "w1", "stranger"];
    const keys = roles.map((role) => ({ role, ...newNkey() }));
    const users = keys.slice(0, 3).map(({ role, publicKey }) => ({
      nkey: publicKey,
      permissions: role === "coordinator"
        ? coordinatorPermissions("r", publicKey)
        : workerPermissions("r", { user: publicKey, names: [role] }),
    }));
    for (const { role, seed } of keys) {
      await Deno.writeTextFile(`${cwd}/${role}.nk`, seed, { mode: 0o600 });
    }
    const server = await startTestServer({
      config: `authorization { users: ${JSON.stringify(users)} }`,
    });
    try {
      const broker = ["--nats", server.url, "--run", "r"];
      const flags = [...smallRun, "--steps", "4", "--workers", "2"];
      const as = (role: string, name = role) => [
        ...broker,
        ...["--nats-credentials", `${role}.nk`, "--name", name],
      ];
      const coordinator = start(
        "coordinator",
        [...flags, ...broker, "--nats-credentials", "coordinator.nk", "--out", "run", "--json"],
        { cwd },
      );
      await coordinator.until(/deno task worker --connect run\/connection\.json --nats-cred/);
      const connection = await Deno.readTextFile(`${cwd}/run/connection.json`);
      assert.deepEqual(Object.keys(JSON.parse(connection)), ["url", "run"]);
      const [stranger, liar] = await Promise.all([
        run("worker", as("stranger"), { cwd }),
        run("worker", as("w1", "w0"), { cwd }),
      ]);
      assertSentence(stranger, 1, /^Failed: Cannot log in: .* a user whom this server knows/);
      assertSentence(liar, 1, /^Failed: Cannot publish on "lockstep\.r\.from\.w0\.join": .*permit/);
      const workers = ["w0", "w1"].map((name) => run("worker", as(name), { cwd }));
      for (const { code, stderr } of await Promise.all(workers)) assert.equal(code, 0, stderr);
      const { code, stdout, stderr } = await coordinator.ended;
      assert.equal(code, 0, stderr);
      for (const { seed } of keys) assert.ok(!(stdout + stderr).includes(seed));
      const expected = await trained([...flags, "--out", "other"], { cwd });
      assert.equal(JSON.parse(stdout).parametersSha256, expected.parametersSha256);
    } finally {
      await server.stop();
    }
  }),
});
