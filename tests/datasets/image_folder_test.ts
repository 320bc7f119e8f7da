import assert from "node:assert/strict";
import { DatasetError, type Split } from "../../datasets/dataset.ts";
import { type ImageFolderOptions, openImageFolder } from "../../datasets/image_folder.ts";
import { openDataset } from "../../datasets/open_dataset.ts";
import { encodePng } from "../../datasets/png.ts";
import { tf } from "../../engine/tf.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { convAutoencoder } from "../../models/conv_autoencoder.ts";
import { buildOptimizer } from "../../models/optimizers/build_optimizer.ts";
import { evaluateSplit } from "../../worker/evaluation.ts";
import { createSplitScores } from "../../worker/split_scores.ts";
import { createStepFunctions } from "../../worker/step_functions.ts";
import { trainAlone } from "../../worker/train_alone.ts";
import { testOnEngines } from "../worker/small_run.ts";

const splits: readonly Split[] = ["train", "validation", "test"];
const options = { frameSize: [2, 3], channels: 1, classes: false } as const;
const ofOneFrame = { epoch: 0, offset: 0, frames: 1 } as const;

const picture = (grey: number, [height, width]: readonly [number, number]) =>
  encodePng({ width, height, channels: 1, data: new Uint8Array(width * height).fill(grey) });

/** Images 1.png, 2.png, … of each folder, of those greys. */
async function withImages(
  folders: Readonly<Record<string, readonly number[]>>,
  test: (path: string) => Promise<void>,
  size: readonly [number, number] = [2, 3],
): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "lockstep-images-" });
  try {
    for (const [name, greys] of Object.entries(folders)) {
      await Deno.mkdir(`${path}/${name}`, { recursive: true });
      await Promise.all(
        greys.map((grey, i) => Deno.writeFile(`${path}/${name}/${i + 1}.png`, picture(grey, size))),
      );
    }
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function opened(path: string, more: Partial<ImageFolderOptions> = {}) {
  const dataset = await openImageFolder({ ...options, path, ...more });
  dataset.close();
  return dataset;
}

async function idsOf(path: string, more: Partial<ImageFolderOptions> = {}) {
  const dataset = await opened(path, more);
  return splits.map((split) => dataset.catalogue(split, 0).map(({ id }) => id));
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

Deno.test("openImageFolder() splits the images of each class, in the order of their names", async () => {
  await withImages({ "ones": range(4), "sevens": range(11) }, async (path) => {
    const dataset = await openImageFolder({ ...options, path });
    assert.deepEqual([dataset.classes, dataset.targetShape], [["ones", "sevens"], [2]]);
    assert.ok(dataset.catalogue("train", 0).every(({ frames }) => frames === 1));
    assert.deepEqual(await idsOf(`${path}/`), [
      [
        ...["ones/1.png", "sevens/1.png", "ones/2.png", "sevens/2.png"],
        ...range(9).slice(2).map((number) => `sevens/${number}.png`),
      ],
      ["ones/3.png", "sevens/10.png"],
      ["ones/4.png", "sevens/11.png"],
    ]);
    const request = { ...ofOneFrame, split: "validation", sequence: 1 } as const;
    assert.deepEqual(await dataset.read(request), new Float32Array(6).fill(10 / 255));
    assert.deepEqual([...await dataset.readTargets!(request)], [0, 1]);
    dataset.close();
  });
});

Deno.test("openImageFolder() takes splits from the folders' names, and images without classes", async () => {
  const folders = { "train/b": [1, 2], "train/a/deep": [3], "val/b": [4], "test/a/deep": [5] };
  await withImages(folders, async (path) => {
    const dataset = await opened(path);
    assert.deepEqual(dataset.classes, ["a/deep", "b"]);
    assert.deepEqual(await idsOf(path), [
      ["train/a/deep/1.png", "train/b/1.png", "train/b/2.png"],
      ["val/b/1.png"],
      ["test/a/deep/1.png"],
    ]);
  });
  await withImages({ ".": range(3) }, async (path) => {
    const dataset = await opened(path);
    assert.deepEqual([dataset.classes, dataset.targetShape], [undefined, undefined]);
    const { description } = await opened(path, { frameSize: [4, 4] });
    assert.match(description, /^Single images .*, 4x4 resized from 2x3, 1 sequences/);
    assert.deepEqual(await idsOf(path), [["1.png"], ["2.png"], ["3.png"]]);
    await assert.rejects(idsOf(path, { classes: true }), /class of ".*\/1\.png"/);
  });
  await withImages({ ".": range(3), "a": range(3) }, async (path) => {
    await assert.rejects(idsOf(path), /class of ".*\/1\.png".*as around other images/);
  });
  await withImages({ "a": range(3), "b": range(2) }, async (path) => {
    await assert.rejects(idsOf(path), /images of class "b" in .* found 2, at least 3.*split=test/);
    assert.deepEqual(await idsOf(path, { fileSplit: "test" }), [[], [], [
      ...["a/1.png", "b/1.png", "a/2.png", "b/2.png", "a/3.png"],
    ]]);
  });
});

Deno.test("openImageFolder() names what is broken or of another size", async () => {
  await withImages({ a: range(5), b: range(3) }, async (path) => {
    const bytes = await Deno.readFile(`${path}/a/3.png`);
    await Deno.writeFile(`${path}/a/3.png`, bytes.subarray(0, bytes.length - 3));
    await assert.rejects(
      idsOf(path),
      (error) => error instanceof DatasetError && /a\/3\.png.*truncated/.test(error.message),
    );
    const { description } = await opened(path, { onBadFile: "skip" });
    assert.match(description, /left out 1 files .*a\/3\.png/);
    assert.deepEqual((await idsOf(path, { onBadFile: "skip" }))[2], ["a/5.png", "b/3.png"]);
    await Deno.writeFile(`${path}/a/3.png`, picture(3, [4, 3]));
    await assert.rejects(
      idsOf(path, { onBadFile: "skip" }),
      /a\/3\.png" of 4x3 pixels beside ".*a\/1\.png" of 2x3/,
    );
  });
  await withImages({}, async (path) => {
    await assert.rejects(idsOf(path), /Cannot find images in/);
  });
});

Deno.test("openImageFolder() follows links to classes, and takes one that is called train", async () => {
  await withImages(
    { "data/cat": range(3), "data/train": range(3), "wolf": range(3) },
    async (path) => {
      await Deno.symlink("../wolf", `${path}/data/wolf`);
      const dataset = await opened(`${path}/data`);
      assert.deepEqual(dataset.classes, ["cat", "train", "wolf"]);
      assert.match(
        dataset.description,
        /3 classes; followed links to folders: "wolf"; took "train" as a class, as the folders/,
      );
      // Images have no order that a second 1 could disturb.
      await Deno.copyFile(`${path}/wolf/1.png`, `${path}/wolf/01.png`);
      assert.equal((await idsOf(`${path}/data`)).flat().length, 10);
    },
  );
});

testOnEngines("an autoencoder trains on images, and shows where each class lies", async (open) => {
  const folders = { dark: range(10), light: range(10).map((i) => 250 - i) };
  await withImages(folders, async (path) => {
    const engine = await open(1);
    const dataset = await openDataset({
      ...{ ...defaultRun.dataset, name: "frames", path },
      options: { images: true, rows: 8, columns: 8 },
    }, 1);
    const model = convAutoencoder({
      ...{ frameShape: dataset.frameShape, filters: [16, 8], kernelSize: 3, latent: 2 },
      outputActivation: "sigmoid",
    });
    const losses: number[] = [];
    const { steps, validationLoss, parameters } = await trainAlone({
      ...{ engine, dataset, model, lanes: 4, epochs: 8 },
      onStep: ({ loss }) => void losses.push(loss),
    });
    // 8 images of each class train.
    assert.equal(steps, 8 * 4);
    assert.ok(losses.at(-1)! < losses[0] && validationLoss < losses[0], `${losses}`);
    const scores = createSplitScores({
      ...{ engine, model, dataset, thresholds: [], scales: [], split: "test", loss: "mse" },
    });
    const functions = createStepFunctions({
      ...{ engine, model, loss: "mse", optimizer: buildOptimizer(defaultRun.optimizer) },
      ...{ hasTargets: true, isDetailed: true },
    });
    const trained = tf.tensor(parameters, [parameters.length], "float32");
    await evaluateSplit({
      ...{ trainer: { functions, parameters: () => trained }, model, dataset, split: "test" },
      ...{ lanes: 1, lanesPerShard: 1, shards: [0], aheadMax: 2, onWindows: scores.add },
    });
    assert.deepEqual(scores.latentPlane()!.points.map(({ label }) => label).sort(), [0, 1]);
    tf.dispose(trained);
    functions.dispose();
    scores.dispose();
    dataset.close();
  }, [8, 8]);
});
