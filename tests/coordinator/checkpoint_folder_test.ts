import assert from "node:assert/strict";
import {
  latestCheckpoint,
  listCheckpoints,
  recoverCheckpoints,
  saveCheckpoint,
} from "../../coordinator/checkpoint_folder.ts";
import { readCheckpoint } from "../../coordinator/checkpoint.ts";
import { ensureDirectory } from "../../coordinator/file_system.ts";
import { assertSample, sampleCheckpoint } from "./sample_checkpoint.ts";
import { SimulatedDisk } from "./simulated_disk.ts";

const FOLDER = "runs/a/checkpoints";
const failOnWarning = { warn: (sentence: string) => assert.fail(sentence) };

Deno.test("saveCheckpoint keeps the newest three and the best", async () => {
  const disk = await emptyDisk();
  const losses = [0.9, 0.4, 0.7, undefined, 0.6, 0.5, 0.3, 0.35];
  const kept: number[][] = [];
  for (const [step, loss] of losses.entries()) {
    await saveCheckpoint(disk, FOLDER, sampleCheckpoint(step, loss), failOnWarning);
    kept.push((await listCheckpoints(disk, FOLDER)).map((place) => place.step));
  }
  assert.deepEqual(kept, [
    [0],
    [1, 0],
    [2, 1, 0],
    [3, 2, 1],
    [4, 3, 2, 1],
    [5, 4, 3, 1],
    [6, 5, 4],
    [7, 6, 5],
  ]);
});

Deno.test("saveCheckpoint does not count a damaged checkpoint as kept", async () => {
  const disk = await emptyDisk(1, 2, 3);
  for (const step of [2, 3]) disk.corrupt(`${FOLDER}/step-00000${step}/manifest.json`, 9, 1);
  await saveCheckpoint(disk, FOLDER, sampleCheckpoint(4), failOnWarning);
  await saveCheckpoint(disk, FOLDER, sampleCheckpoint(5), failOnWarning);
  assert.deepEqual(await disk.list(FOLDER), [1, 2, 3, 4, 5].map((step) => `step-00000${step}`));
  await saveCheckpoint(disk, FOLDER, sampleCheckpoint(6), failOnWarning);
  assert.deepEqual(await disk.list(FOLDER), [4, 5, 6].map((step) => `step-00000${step}`));
});

Deno.test("saveCheckpoint loses no kept checkpoint to any fault, and no run to a failed removal", async () => {
  for (let operation = 0;; operation++) {
    const disk = await emptyDisk(1, 2, 3);
    const started = disk.operations;
    disk.failAt(operation, "error");
    const warnings: string[] = [];
    const warn = (sentence: string) => void warnings.push(sentence);
    const error = await saveCheckpoint(disk, FOLDER, sampleCheckpoint(4), { warn }).then(
      () => undefined,
      (error: Error) => error.message,
    );
    const finished = disk.operations - started <= operation;
    disk.heal();
    const found = await latestCheckpoint(disk, FOLDER, failOnWarning);
    assertSample(found!.checkpoint);
    if (error === undefined) assert.equal(found!.step, 4);
    for (const warning of warnings) assert.match(warning, /^Cannot remove an old checkpoint in /);
    await recoverCheckpoints(disk, FOLDER, failOnWarning);
    const steps = (await listCheckpoints(disk, FOLDER)).map((place) => place.step);
    assert.deepEqual(steps.filter((step) => step === 2 || step === 3), [3, 2]);
    for (const place of await listCheckpoints(disk, FOLDER)) {
      assertSample(await readCheckpoint(disk, place.path));
    }
    if (finished) {
      assert.deepEqual(steps, [4, 3, 2]);
      break;
    }
  }
});

Deno.test("latestCheckpoint falls back past damage and says so", async () => {
  const disk = await emptyDisk(1, 2, 3);
  disk.corrupt(`${FOLDER}/step-000003/optimizer.safetensors`, 99, 4);
  disk.truncate(`${FOLDER}/step-000002/states.safetensors`, 50);
  const warnings: string[] = [];
  const warn = (sentence: string) => void warnings.push(sentence);
  const found = await latestCheckpoint(disk, FOLDER, { warn });
  assert.equal(found!.step, 1);
  assertSample(found!.checkpoint);
  assert.equal(warnings.length, 2);
  assert.match(warnings[0], /step-000003\/optimizer.safetensors: its SHA-256 is .* step 1$/);
  assert.match(warnings[1], /step-000002\/states.safetensors: it has 50 bytes and the manifest/);
});

Deno.test("latestCheckpoint names all damage where no checkpoint is intact", async () => {
  const disk = await emptyDisk(1, 2);
  disk.corrupt(`${FOLDER}/step-000001/parameters.safetensors`, 0, 1);
  await disk.rename(`${FOLDER}/step-000002`, `${FOLDER}/step-000009`);
  await assert.rejects(latestCheckpoint(disk, FOLDER, failOnWarning), {
    name: "CheckpointError",
    message:
      /none of its 2 checkpoints is intact \(.*step-000009: it holds step 2; .*step-000001.*SHA/,
  });
});

Deno.test("latestCheckpoint finds nothing in an empty or missing folder", async () => {
  assert.equal(await latestCheckpoint(await emptyDisk(), FOLDER, failOnWarning), undefined);
  assert.equal(await latestCheckpoint(new SimulatedDisk(), FOLDER, failOnWarning), undefined);
});

Deno.test("latestCheckpoint orders steps as numbers and ignores what is no checkpoint", async () => {
  const disk = await emptyDisk(999_999, 1_000_000);
  for (const name of ["step-12", "step-2000000.partial", "notes"]) {
    await disk.makeDirectory(`${FOLDER}/${name}`);
  }
  assert.equal((await latestCheckpoint(disk, FOLDER, failOnWarning))!.step, 1_000_000);
});

Deno.test("recoverCheckpoints keeps the replaced checkpoint unless its replacement is intact", async () => {
  for (const [damaged, loss] of [["neither", 0.2], ["new", 0.1], ["both", undefined]] as const) {
    const disk = await emptyDisk();
    await saveCheckpoint(disk, FOLDER, sampleCheckpoint(2, 0.1), failOnWarning);
    await disk.rename(`${FOLDER}/step-000002`, `${FOLDER}/step-000002.replaced`);
    await saveCheckpoint(disk, FOLDER, sampleCheckpoint(2, 0.2), failOnWarning);
    if (damaged !== "neither") disk.corrupt(`${FOLDER}/step-000002/manifest.json`, 30, 2);
    if (damaged === "both") disk.corrupt(`${FOLDER}/step-000002.replaced/manifest.json`, 30, 2);
    await recoverCheckpoints(disk, FOLDER, failOnWarning);
    if (loss === undefined) {
      assert.equal((await disk.list(FOLDER)).length, 2, "damaged ones stay for someone to look at");
      continue;
    }
    assert.deepEqual(await disk.list(FOLDER), ["step-000002"]);
    const found = await latestCheckpoint(disk, FOLDER, failOnWarning);
    assert.equal(found!.checkpoint.metrics.validationLoss, loss);
  }
});

async function emptyDisk(...steps: number[]): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await ensureDirectory(disk, FOLDER);
  for (const step of steps) {
    await saveCheckpoint(disk, FOLDER, sampleCheckpoint(step), failOnWarning);
  }
  return disk;
}
