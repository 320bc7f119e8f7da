import assert from "node:assert/strict";
import {
  credentialsFromEnvironment,
  environmentOf,
  readConnection,
  writeConnection,
} from "../../launch/connection_file.ts";

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/connection.json`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const connection = {
  url: "nats://127.0.0.1:4222",
  run: "a1b2",
  credentials: { user: "lockstep", password: "secret" },
};

Deno.test("writeConnection and readConnection agree, with a login or without", () =>
  inFolder(async (path) => {
    await writeConnection(path, connection);
    assert.deepEqual(await readConnection(path), connection);
    const { credentials: _, ...open } = connection;
    await writeConnection(path, open);
    assert.deepEqual(await readConnection(path), { ...open, credentials: undefined });
  }));

Deno.test("writeConnection keeps the password from other users, also over an open file", () =>
  inFolder(async (path) => {
    await Deno.writeTextFile(path, "left by an older run", { mode: 0o666 });
    await Deno.chmod(path, 0o666);
    await writeConnection(path, connection);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  }));

Deno.test("writeConnection leaves the file as it was where it cannot write a new one", () =>
  inFolder(async (path) => {
    await writeConnection(path, connection);
    await Deno.mkdir(`${path}.tmp/occupied`, { recursive: true });
    await assert.rejects(writeConnection(path, { ...connection, run: "other" }));
    assert.deepEqual(await readConnection(path), connection);
  }));

Deno.test("readConnection says which file is missing or is something else", () =>
  inFolder(async (path) => {
    await assert.rejects(readConnection(path), {
      name: "UsageError",
      message: /^Cannot read connection file .*connection\.json: .*No such file/,
    });
    await Deno.writeTextFile(path, '{"url": "nats');
    await assert.rejects(readConnection(path), {
      name: "UsageError",
      message: /^Cannot read connection file .*JSON/,
    });
    const others = [
      null,
      [],
      "nats://127.0.0.1",
      {},
      { url: "nats://127.0.0.1" },
      { url: 4222, run: "a" },
      { ...connection, credentials: { user: "lockstep" } },
      { ...connection, credentials: null },
    ];
    for (const other of others) {
      await Deno.writeTextFile(path, JSON.stringify(other));
      await assert.rejects(readConnection(path), {
        name: "UsageError",
        message: `Cannot use ${path}: it is not a connection file of a coordinator`,
      }, JSON.stringify(other));
    }
  }));

Deno.test("credentialsFromEnvironment takes a user with a password, or a token, and not both", () => {
  const names = ["USER", "PASSWORD", "TOKEN"].map((name) => `LOCKSTEP_NATS_${name}`);
  const before = names.map((name) => Deno.env.get(name));
  const set = (values: readonly (string | undefined)[]) =>
    names.forEach((name, index) => {
      const value = values[index];
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    });
  const given = (...values: (string | undefined)[]) => {
    set(values);
    return credentialsFromEnvironment();
  };
  const none = undefined;
  try {
    assert.deepEqual(given("ada", "secret"), { user: "ada", password: "secret" });
    assert.equal(given("ada"), undefined);
    assert.equal(given(none, "secret"), undefined);
    assert.deepEqual(given(none, none, "t0ken"), { token: "t0ken" });
    // What a launcher blanks, so that it is not inherited.
    assert.deepEqual(given("", "", "t0ken"), { token: "t0ken" });
    assert.deepEqual(given("ada", "secret", ""), { user: "ada", password: "secret" });
    assert.throws(() => given("ada", "secret", "t0ken"), {
      name: "UsageError",
      message:
        "Cannot log in with both LOCKSTEP_NATS_TOKEN and LOCKSTEP_NATS_USER: unset the one " +
        "that the broker does not take",
    });
    for (const login of [{ user: "ada", password: "secret" }, { token: "t0ken" }]) {
      const variables = environmentOf(login);
      assert.deepEqual(Object.keys(variables), names);
      assert.deepEqual(given(...names.map((name) => variables[name])), login);
    }
  } finally {
    set(before);
  }
});
