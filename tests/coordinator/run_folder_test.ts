import assert from "node:assert/strict";
import { saveCheckpoint } from "../../coordinator/checkpoint_folder.ts";
import type { JsonValue } from "../../coordinator/checkpoint_manifest.ts";
import { diskFileSystem } from "../../coordinator/file_system.ts";
import {
  openRunFolder,
  type RunRecord,
  sourceRefusal,
  writeRunRecord,
} from "../../coordinator/run_folder.ts";
import { assertSample, sampleCheckpoint } from "./sample_checkpoint.ts";
import { SimulatedDisk } from "./simulated_disk.ts";

const RUN = "runs/a";
const CHECKPOINTS = `${RUN}/checkpoints`;
const warn = (sentence: string) => assert.fail(sentence);
const fresh = { resume: false, mayChange: [], warn };
const resume = { resume: true, mayChange: ["epochs", "model.options"], warn };

Deno.test("openRunFolder makes a folder with run.json, on the real disk", async () => {
  const root = await Deno.makeTempDir();
  try {
    const path = `${root}/deep/run`;
    const folder = await openRunFolder(diskFileSystem, path, record(), fresh);
    assert.equal(folder.resumed, undefined);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(`${path}/run.json`)), record());
    await saveCheckpoint(diskFileSystem, folder.checkpointsPath, sampleCheckpoint(4), { warn });
    const resumed = await openRunFolder(diskFileSystem, path, record(), resume);
    assertSample(resumed.resumed!);
    assert.deepEqual(await diskFileSystem.list(path), ["checkpoints", "run.json"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("openRunFolder refuses a new run over checkpoints, and a resume without any", async () => {
  const disk = await runWith(3, 7);
  await assert.rejects(openRunFolder(disk, RUN, record(), fresh), {
    name: "RunFolderError",
    message: "Cannot start a new run in runs/a: it holds checkpoints up to step 7; add --resume " +
      "to go on from there, or choose another folder with --out",
  });
  await assert.rejects(openRunFolder(new SimulatedDisk(), RUN, record(), resume), {
    name: "RunFolderError",
    message: /^Cannot resume runs\/a: runs\/a\/checkpoints has no checkpoint; start without/,
  });
});

Deno.test("openRunFolder says which field of the configuration differs", async () => {
  const disk = await runWith(3);
  const given = {
    model: { name: "convlstm", filters: [3, 4, 5], options: { deep: true } },
    seed: null,
    epochs: 99,
    threads: 2,
  };
  await assert.rejects(openRunFolder(disk, RUN, record(given), resume), {
    name: "RunFolderError",
    message: "Cannot resume runs/a under another configuration: model.filters[1] was 2 and is " +
      "now 4, model.filters[2] was not set and is now 5, seed was 7 and is now null, threads was " +
      "not set and is now 2; give the saved values, or start a new run from its weights with --init " +
      "runs/a and another --out",
  });
  const { resumed } = await openRunFolder(disk, RUN, record({ epochs: 99 }), resume);
  assertSample(resumed!);
  const text = new TextDecoder().decode(await disk.readFile(`${RUN}/run.json`));
  assert.equal(JSON.parse(text).configuration.epochs, 99);
});

Deno.test("openRunFolder clears what a crash left, only once it knows the run is the right one", async () => {
  const disk = await runWith(3);
  await disk.makeDirectory(`${CHECKPOINTS}/step-000009.partial`);
  await assert.rejects(openRunFolder(disk, RUN, record({ seed: 8 }), resume));
  assert.equal((await disk.list(CHECKPOINTS)).length, 2);
  await openRunFolder(disk, RUN, record(), resume);
  assert.deepEqual(await disk.list(CHECKPOINTS), ["step-000003"]);
});

Deno.test("openRunFolder leaves the old or the new run.json through every fault", async () => {
  for (const kind of ["error", "full", "crash"] as const) {
    for (let operation = 0;; operation++) {
      const disk = await runWith(3);
      const started = disk.operations;
      disk.failAt(operation, kind);
      let failed: Error | undefined;
      const opened = await openRunFolder(disk, RUN, record({ epochs: 5 }), { ...resume, warn() {} })
        .catch((error) => void (failed = error));
      const finished = disk.operations - started <= operation;
      assert.equal(opened === undefined, failed !== undefined);
      if (failed !== undefined) assert.match(failed.message, /^Cannot (read|write|resume) /);
      for (const survival of ["synced", "names", "all"] as const) {
        const after = disk.afterCrash(survival);
        const text = new TextDecoder().decode(await after.readFile(`${RUN}/run.json`));
        assert.ok([2, 5].includes(JSON.parse(text).configuration.epochs), text);
        if (opened !== undefined) assert.equal(JSON.parse(text).configuration.epochs, 5);
        assertSample((await openRunFolder(after, RUN, record(), resume)).resumed!);
      }
      if (finished) break;
    }
  }
});

Deno.test("openRunFolder refuses damage everywhere, and a value that JSON cannot hold", async () => {
  const disk = await runWith(3);
  disk.corrupt(`${CHECKPOINTS}/step-000003/parameters.safetensors`, 20, 1);
  await assert.rejects(openRunFolder(disk, RUN, record(), resume), {
    name: "RunFolderError",
    message: /none of its 1 checkpoints is intact .*parameters.safetensors: its SHA-256 is/,
  });
  await assert.rejects(openRunFolder(disk, "runs/b", record({ rate: NaN }), fresh), {
    name: "RunFolderError",
    message: /JSON cannot hold the value of configuration.rate: NaN/,
  });
});

Deno.test("a resumed run keeps to the source of its model, which run.json remembers", async () => {
  const disk = await runWith(3);
  const other = { ...record(), modelSource: "cafe" };
  const known = await openRunFolder(disk, RUN, other, resume);
  assert.equal(known.modelSource, undefined);
  await writeRunRecord(disk, RUN, other);
  // The coordinator opens the folder before any worker has read the source.
  const folder = await openRunFolder(disk, RUN, record(), resume);
  assert.equal(folder.modelSource, "cafe");
  assert.equal((await openRunFolder(disk, RUN, record(), resume)).modelSource, "cafe");
  assert.equal(sourceRefusal(folder, "cafe"), undefined);
  assert.match(
    sourceRefusal(folder, "beef")!,
    /^Cannot resume .*: the source of its model has changed since, SHA-256 cafe then and beef now; /,
  );
  assert.equal(sourceRefusal({ path: RUN }, "beef"), undefined);
});

Deno.test("openRunFolder lets data move that are known, and their path be written otherwise", async () => {
  const dataset = (path: string | null, targets?: string): { dataset: JsonValue } => ({
    dataset: { path, options: targets === undefined ? {} : { targets } },
  });
  const dataPaths = ["dataset.path", "dataset.options.targets"];
  const here = (path: string) => `${Deno.cwd()}/${path}`;
  const opened = async (
    data: string | undefined,
    saved: ReturnType<typeof dataset>,
    given: ReturnType<typeof dataset>,
  ) => {
    const disk = new SimulatedDisk();
    await openRunFolder(disk, RUN, record(saved), fresh);
    const { configuration } = record(saved);
    const checkpoint = { ...sampleCheckpoint(3), configuration, data };
    await saveCheckpoint(disk, CHECKPOINTS, checkpoint, { warn });
    return await openRunFolder(disk, RUN, record(given), { ...resume, dataPaths })
      .then(() => "opened", ({ message }) => message.match(/configuration: (\S+) was /)[1]);
  };
  const typed = dataset("data/x.npy", "data/y.npy");
  for (const data of [undefined, "1 file"]) {
    assert.equal(
      await opened(data, typed, dataset(here("data/x.npy"), here("data/y.npy"))),
      "opened",
    );
    assert.equal(
      await opened(data, dataset("./x", "a/../y"), dataset(here("x"), here("y"))),
      "opened",
    );
    // Answers that were not there before are no other place.
    assert.equal(await opened(data, dataset("x"), dataset("x", "y")), "dataset.options.targets");
    assert.equal(
      await opened(data, dataset("x", ""), dataset("x", "y")),
      "dataset.options.targets",
    );
  }
  // What is fetched may be named where it is kept.
  assert.equal(await opened("1 file", dataset(null), dataset("/a/mnist")), "opened");
  assert.equal(await opened(undefined, dataset(null), dataset("/a/mnist")), "dataset.path");
  const moved = dataset("/b/x.npy", "/b/y.npy");
  assert.equal(await opened("1 file", dataset("/a/x.npy", "/a/y.npy"), moved), "opened");
  assert.equal(await opened(undefined, dataset("/a/x.npy", "/b/y.npy"), moved), "dataset.path");
  assert.equal(
    await opened(undefined, dataset("/b/x.npy", "/a/y.npy"), moved),
    "dataset.options.targets",
  );
});

function record(change: { [field: string]: JsonValue } = {}): RunRecord {
  const configuration = sampleCheckpoint(0).configuration as { [field: string]: JsonValue };
  return {
    configuration: { ...configuration, ...change },
    versions: { lockstep: "0.1.0" },
    device: "CPU (2 threads)",
  };
}

async function runWith(...steps: number[]): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await openRunFolder(disk, RUN, record(), fresh);
  for (const step of steps) {
    await saveCheckpoint(disk, CHECKPOINTS, sampleCheckpoint(step), { warn });
  }
  return disk;
}
