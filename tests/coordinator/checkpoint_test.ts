import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type Checkpoint,
  hashArrays,
  readCheckpoint,
  writeCheckpoint,
} from "../../coordinator/checkpoint.ts";
import { latestCheckpoint, recoverCheckpoints } from "../../coordinator/checkpoint_folder.ts";
import { decodeManifest } from "../../coordinator/checkpoint_manifest.ts";
import { diskFileSystem, ensureDirectory } from "../../coordinator/file_system.ts";
import { assertSample, sampleCheckpoint } from "./sample_checkpoint.ts";
import { type Fault, SimulatedDisk, type Survival } from "./simulated_disk.ts";

const FOLDER = "runs/a/checkpoints";
const FILES = ["manifest.json", "optimizer.safetensors", "parameters.safetensors"]
  .concat("states.safetensors");
const failOnWarning = { warn: (sentence: string) => assert.fail(sentence) };

Deno.test("readCheckpoint returns what writeCheckpoint was given, on the real disk", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const hash = await writeCheckpoint(diskFileSystem, folder, sampleCheckpoint(12, 0.25));
    const path = `${folder}/step-000012`;
    assert.deepEqual(await diskFileSystem.list(folder), ["step-000012"]);
    assert.deepEqual(await diskFileSystem.list(path), FILES);
    const checkpoint = await readCheckpoint(diskFileSystem, path);
    assertSample(checkpoint);
    assert.equal(checkpoint.parametersSha256, hash);
    // A second one of the same step takes its place, and lists itself with sha256sum's figures.
    await writeCheckpoint(diskFileSystem, folder, sampleCheckpoint(12, 0.125));
    assert.deepEqual(await diskFileSystem.list(folder), ["step-000012"]);
    assert.equal((await readCheckpoint(diskFileSystem, path)).metrics.validationLoss, 0.125);
    const manifest = await decodeManifest(await Deno.readFile(`${path}/manifest.json`));
    for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
      const content = await Deno.readFile(`${path}/${name}`);
      assert.equal(content.length, bytes);
      assert.equal(createHash("sha256").update(content).digest("hex"), sha256);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("hashArrays is the SHA-256 of the values in order as little-endian float32", async () => {
  const bytes = new DataView(new ArrayBuffer(12));
  [1, -2.5, 3].forEach((value, index) => bytes.setFloat32(index * 4, value, true));
  const arrays = [
    { name: "b", shape: [2], values: new Float32Array([9, 1, -2.5]).subarray(1) },
    { name: "a", shape: [1], values: Float32Array.of(3) },
  ];
  const expected = createHash("sha256").update(bytes).digest("hex");
  assert.equal(await hashArrays(arrays), expected);
});

Deno.test("writeCheckpoint copies the arrays before it first waits", async () => {
  const disk = await diskWith();
  const checkpoint = sampleCheckpoint(3);
  const writing = writeCheckpoint(disk, FOLDER, checkpoint);
  for (const { values } of [...checkpoint.parameters, ...checkpoint.states]) values.fill(NaN);
  await writing;
  assertSample(await readCheckpoint(disk, `${FOLDER}/step-000003`));
});

for (const kind of ["error", "full", "short"] satisfies Fault[]) {
  for (const [before, what] of [[11, "a new step"], [12, "the same step"]] as const) {
    Deno.test(`writeCheckpoint of ${what} keeps a loadable one through every ${kind} fault`, async () => {
      let failures = 0;
      for await (const { disk, error } of everyFault(before, kind)) {
        if (error !== undefined) {
          failures++;
          assert.match(error, /^Cannot write checkpoint runs\/a\/checkpoints\/step-000012 \(/);
          assert.match(error, /\((0|[1-9]\d{3}) bytes\): (EIO|ENOSPC|Wrote)/);
          assert.match(error, /earlier checkpoints are intact/);
        }
        disk.heal();
        await assertLoads(disk, before, error === undefined);
        await assertGoesOn(disk);
      }
      assert.ok(failures >= (kind === "error" ? 15 : 5), `only ${failures} faults were fatal`);
    });
  }
}

for (const survival of ["synced", "names", "all"] satisfies Survival[]) {
  for (const [before, what] of [[11, "a new step"], [12, "the same step"]] as const) {
    Deno.test(`writeCheckpoint of ${what} survives a crash at every operation, ${survival}`, async () => {
      for await (const { disk: crashed, error } of everyFault(before, "crash")) {
        const disk = crashed.afterCrash(survival);
        await assertLoads(disk, before, error === undefined);
        await assertGoesOn(disk);
      }
    });
  }
}

Deno.test("writeCheckpoint says what is missing when a real disk is full", async (test) => {
  const folder = await Deno.makeTempDir();
  const mount = await run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder);
  if (!mount) {
    await Deno.remove(folder);
    await test.step({ name: "mounting a tmpfs is not permitted", ignore: true, fn() {} });
    return;
  }
  try {
    await writeCheckpoint(diskFileSystem, folder, sampleCheckpoint(1));
    const large: Checkpoint = {
      ...sampleCheckpoint(2),
      states: [{ name: "state", shape: [30_000], values: new Float32Array(30_000) }],
    };
    await assert.rejects(writeCheckpoint(diskFileSystem, folder, large), {
      name: "CheckpointError",
      message: /step-000002 \(12\d{4} bytes\): No space left on device/,
    });
    assert.deepEqual(await diskFileSystem.list(folder), ["step-000001"]);
    assertSample((await latestCheckpoint(diskFileSystem, folder, failOnWarning))!.checkpoint);
  } finally {
    await run("umount", folder);
    await Deno.remove(folder);
  }
});

Deno.test("readCheckpoint finds every flipped byte and every truncation, and names the file", async () => {
  const disk = await diskWith(12);
  const path = `${FOLDER}/step-000012`;
  for (const name of FILES) {
    const file = `${path}/${name}`;
    const { bytes } = (await disk.entry(file))!;
    for (let offset = 0; offset < bytes; offset++) {
      const mask = 1 << (offset % 8);
      disk.corrupt(file, offset, mask);
      await assertDamaged(disk, path, file);
      disk.corrupt(file, offset, mask);
    }
    assertSample(await readCheckpoint(disk, path));
  }
  for (const name of FILES) {
    const torn = disk.afterCrash("all");
    const { bytes } = (await torn.entry(`${path}/${name}`))!;
    for (const size of [bytes - 1, 7, 0]) {
      torn.truncate(`${path}/${name}`, size);
      await assertDamaged(torn, path, `${path}/${name}`);
    }
    await torn.remove(`${path}/${name}`);
    await assertDamaged(torn, path, `${path}/${name}`);
  }
});

Deno.test("readCheckpoint refuses a file swapped with that of another checkpoint", async () => {
  const disk = await diskWith(11, 12);
  const [from, to] = [11, 12].map((step) => `${FOLDER}/step-0000${step}/states.safetensors`);
  await disk.rename(from, to);
  await assertDamaged(disk, `${FOLDER}/step-000012`, to);
});

Deno.test("writeCheckpoint refuses a metric or configuration that JSON would change", async () => {
  const disk = await diskWith();
  for (
    const [change, what] of [
      [{ metrics: { validationLoss: NaN } }, /value of metrics.validationLoss: NaN/],
      [{ configuration: { a: [1, { b: Infinity }] } }, /value of configuration.a\[1\].b: Infinity/],
      [{ step: -1 }, /"step" is not valid: -1/],
      [{ createdAt: "today" }, /"createdAt" is not valid/],
      [{ configuration: "x".repeat(1 << 20) }, /exceeds the limit of 1048576/],
    ] as const
  ) {
    const checkpoint = { ...sampleCheckpoint(12), ...change };
    await assert.rejects(writeCheckpoint(disk, FOLDER, checkpoint), {
      name: "CheckpointError",
      message: what,
    });
  }
  assert.deepEqual(await disk.list(FOLDER), []);
});

async function diskWith(...steps: number[]): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await ensureDirectory(disk, FOLDER);
  for (const step of steps) await writeCheckpoint(disk, FOLDER, sampleCheckpoint(step, 0.5));
  return disk;
}

/** Writes step 12 over a disk that has `before`, with a fault at each operation in turn. */
async function* everyFault(before: number, kind: Fault) {
  for (let operation = 0;; operation++) {
    const disk = await diskWith(before);
    disk.failAt(operation, kind);
    const started = disk.operations;
    const error = await writeCheckpoint(disk, FOLDER, sampleCheckpoint(12, 0.25)).then(
      () => undefined,
      (error) => String(error.message),
    );
    yield { disk, error };
    if (disk.operations - started <= operation) break;
  }
}

/** Asserts that the old or the new checkpoint loads, the new one if it was reported written. */
async function assertLoads(disk: SimulatedDisk, before: number, written: boolean): Promise<void> {
  const found = await latestCheckpoint(disk, FOLDER, failOnWarning);
  assert.ok(found !== undefined, "no checkpoint is left");
  assertSample(found.checkpoint);
  const isNew = found.checkpoint.metrics.validationLoss === 0.25;
  assert.ok(isNew || (!written && found.step === before), `step ${found.step} was loaded`);
}

/** Asserts that the folder takes the checkpoint, both at once and, clean, after a restart. */
async function assertGoesOn(disk: SimulatedDisk): Promise<void> {
  const running = disk.afterCrash("all");
  await writeCheckpoint(running, FOLDER, sampleCheckpoint(12, 0.25));
  await assertLoads(running, 12, true);
  await recoverCheckpoints(disk, FOLDER, failOnWarning);
  for (const name of await disk.list(FOLDER)) assert.match(name, /^step-\d{6}$/);
  await writeCheckpoint(disk, FOLDER, sampleCheckpoint(12, 0.25));
  await assertLoads(disk, 12, true);
}

async function assertDamaged(disk: SimulatedDisk, path: string, file: string): Promise<void> {
  await assert.rejects(readCheckpoint(disk, path), (error: Error) => {
    assert.equal(error.name, "CheckpointError");
    assert.ok(error.message.startsWith(`Cannot read ${file}: it`), error.message);
    return true;
  });
}

async function run(command: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args, stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}
