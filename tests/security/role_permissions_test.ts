import assert from "node:assert/strict";
import project from "../../deno.json" with { type: "json" };
import { coordinatorPermissions, workerPermissions } from "../../launch/role_permissions.ts";

/** What a process under these permissions may do, by name: "yes" or the class of the refusal. */
async function mayDo(
  permissions: readonly string[],
  operations: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-role-" });
  try {
    const tried = Object.entries(operations).map(([name, code]) =>
      `try { ${code}; tell(${JSON.stringify(name)}, "yes"); }
       catch (error) { tell(${JSON.stringify(name)}, error.name); }`
    );
    const program = `const found = {}; const tell = (name, what) => { found[name] = what; };
      ${tried.join("\n")}
      console.log(JSON.stringify(found));`;
    await Deno.writeTextFile(`${folder}/program.js`, program);
    const args = ["run", "--no-config", ...permissions, `${folder}/program.js`];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      env: { LOCKSTEP_NATS_USER: "ada", SECRET: "x" },
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const quoted = JSON.stringify;

async function withPlaces(
  body: (places: { out: string; data: string; address: string }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-role-" });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const [out, data] = [`${folder}/a run with spaces`, `${folder}/data`];
    for (const each of [out, data]) {
      await Deno.mkdir(each);
      await Deno.writeTextFile(`${each}/file`, "x");
    }
    await body({ out, data, address: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}` });
  } finally {
    listener.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** A port on which nobody is expected, and the broker's. */
const connect = (address: string) => {
  const [hostname, port] = address.split(":");
  return `(await Deno.connect({ hostname: ${quoted(hostname)}, port: ${port} })).close()`;
};

Deno.test("the coordinator writes its run's folder and talks to its broker, nothing else", () =>
  withPlaces(async ({ out, data, address }) => {
    const permissions = coordinatorPermissions({ url: `nats://${address}`, out, reads: [] });
    const found = await mayDo(permissions, {
      readOut: `Deno.readTextFileSync(${quoted(`${out}/file`)})`,
      writeOut: `Deno.writeTextFileSync(${quoted(`${out}/new`)}, "x")`,
      broker: connect(address),
      login: `Deno.env.get("LOCKSTEP_NATS_USER")`,
      readData: `Deno.readTextFileSync(${quoted(`${data}/file`)})`,
      climbOut: `Deno.readTextFileSync(${quoted(`${out}/../data/file`)})`,
      writeElsewhere: `Deno.writeTextFileSync(${quoted(`${data}/new`)}, "x")`,
      passwords: `Deno.readTextFileSync("/etc/passwd")`,
      otherPort: connect("127.0.0.1:1"),
      otherHost: connect("192.0.2.1:4222"),
      listen: `Deno.listen({ hostname: "127.0.0.1", port: 0 }).close()`,
      environment: `Deno.env.get("SECRET")`,
      wholeEnvironment: `Deno.env.toObject()`,
      run: `new Deno.Command("sh", { args: ["-c", "true"] }).outputSync()`,
      ffi: `Deno.dlopen("libc.so.6", {}).close()`,
      hostname: `Deno.hostname()`,
    });
    const allowed = ["readOut", "writeOut", "broker", "login"];
    for (const [name, what] of Object.entries(found)) {
      assert.equal(what, allowed.includes(name) ? "yes" : "NotCapable", name);
    }
  }));

Deno.test("a worker reads its data and talks to its broker; it writes nothing and runs nothing", () =>
  withPlaces(async ({ out, data, address }) => {
    const url = `nats://${address}`;
    const operations = {
      readData: `Deno.readTextFileSync(${quoted(`${data}/file`)})`,
      broker: connect(address),
      hostname: `Deno.hostname()`,
      login: `Deno.env.get("LOCKSTEP_NATS_USER")`,
      readOut: `Deno.readTextFileSync(${quoted(`${out}/file`)})`,
      writeOut: `Deno.writeTextFileSync(${quoted(`${out}/new`)}, "x")`,
      writeData: `Deno.writeTextFileSync(${quoted(`${data}/new`)}, "x")`,
      passwords: `Deno.readTextFileSync("/etc/passwd")`,
      otherPort: connect("127.0.0.1:1"),
      environment: `Deno.env.get("SECRET")`,
      run: `new Deno.Command("sh", { args: ["-c", "true"] }).outputSync()`,
      ffi: `Deno.dlopen("libc.so.6", {}).close()`,
    };
    const always = ["readData", "broker", "hostname", "login"];
    const plain = await mayDo(workerPermissions({ url, reads: [data] }), operations);
    for (const [name, what] of Object.entries(plain)) {
      assert.equal(what, always.includes(name) ? "yes" : "NotCapable", name);
    }
    // With a native library, Deno gives the right to load any.
    const libraryPath = "/nowhere/tensorflow/libtensorflow_cc.so.2";
    const native = await mayDo(workerPermissions({ url, reads: [data], libraryPath }), operations);
    assert.deepEqual(native, { ...plain, ffi: "yes" });
  }));

Deno.test("threads may read what they are made of", async () => {
  const url = "nats://127.0.0.1:4222";
  const threads = {
    "report/picture_worker.ts": coordinatorPermissions({ url, out: "out", reads: [] }),
    "datasets/decode_worker.ts": workerPermissions({ url, reads: [] }),
  };
  const root = new URL("../../", import.meta.url);
  for (const [program, permissions] of Object.entries(threads)) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", new URL(program, root).pathname],
      cwd: root.pathname,
    }).output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout));
    const folders = permissions.find((each) => each.startsWith("--allow-read="))!
      .slice("--allow-read=".length).split(",").map((folder) => new URL(`file://${folder}/`).href);
    const files = modules.map(({ specifier }: { specifier: string }) => specifier)
      .filter((specifier: string) => specifier.startsWith(root.href));
    assert.ok(files.length > 3, `${files}`);
    const denied = files.filter((file: string) => !folders.some((each) => file.startsWith(each)));
    assert.deepEqual(denied, [], program);
  }
});

Deno.test("tasks that are started by hand have no right that they do not use", async () => {
  const operations = {
    run: `new Deno.Command("sh", { args: ["-c", "true"] }).outputSync()`,
    write: `Deno.writeTextFileSync(await Deno.makeTempFile(), "x")`,
    ffi: `Deno.dlopen("libc.so.6", {}).close()`,
  };
  const { coordinator, worker } = project.tasks;
  const rights = (task: string) => task.split(" ").filter((word) => word.startsWith("-"));
  const byHand = await mayDo(rights(coordinator), operations);
  // It starts the broker, and the coordinator under its own permissions.
  assert.deepEqual(byHand, { run: "yes", write: "yes", ffi: "NotCapable" });
  const found = await mayDo(rights(worker), operations);
  assert.deepEqual(found, { run: "NotCapable", write: "NotCapable", ffi: "yes" });
});
