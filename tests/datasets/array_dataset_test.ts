import assert from "node:assert/strict";
import { arrayDataset } from "../../datasets/array_dataset.ts";
import { DatasetError } from "../../datasets/dataset.ts";
import { cnnLstm } from "../../models/cnn_lstm.ts";
import { convLstmUnet } from "../../models/convlstm_unet.ts";
import { trainAlone } from "../../worker/train_alone.ts";
import { testOnEngines } from "../worker/small_run.ts";

Deno.test("arrayDataset() reads parts of its arrays, and refuses broken ones", async () => {
  const sequence = Float32Array.from({ length: 12 }, (_, i) => i / 12);
  const options = {
    name: "arrays",
    frameShape: [1, 2, 1],
    sequences: { train: [sequence], validation: [], test: [sequence, sequence.slice(4)] },
  } as const;
  const dataset = arrayDataset(options);
  assert.deepEqual(dataset.catalogue("test", 0), [
    { id: "test/000000", frames: 6 },
    { id: "test/000001", frames: 4 },
  ]);
  const request = { split: "test", epoch: 0, sequence: 1, offset: 1, frames: 2 } as const;
  assert.deepEqual(await dataset.read(request), sequence.slice(6, 10));
  assert.throws(() => dataset.read({ ...request, frames: 4 }), /it has 4 frames/);
  const odd = { ...options.sequences, train: [sequence.slice(1)] };
  assert.throws(() => arrayDataset({ ...options, sequences: odd }), DatasetError);
});

Deno.test("arrayDataset() answers with a sequence's class, or with what each frame has", async () => {
  const frames = new Float32Array(3 * 2);
  const sequences = { train: [frames, frames], validation: [frames], test: [] };
  const options = { name: "arrays", frameShape: [1, 2, 1], sequences } as const;
  const request = { split: "train", epoch: 0, sequence: 1, offset: 1, frames: 2 } as const;
  const classes = ["still", "moving", "gone"];
  const labelled = arrayDataset({
    ...options,
    targets: { classes, labels: { train: [0, 2], validation: [1], test: [] } },
  });
  assert.deepEqual([labelled.classes, labelled.targetShape], [classes, [3]]);
  assert.deepEqual([...await labelled.readTargets!(request)], [0, 0, 1, 0, 0, 1]);
  const masks = Float32Array.from({ length: 6 }, (_, i) => i);
  const values = { train: [frames, masks], validation: [masks], test: [] };
  const answered = arrayDataset({ ...options, targets: { shape: [1, 2, 1], values } });
  assert.deepEqual([answered.classes, answered.targetShape], [undefined, [1, 2, 1]]);
  assert.deepEqual([...await answered.readTargets!(request)], [2, 3, 4, 5]);
  assert.equal(arrayDataset(options).readTargets, undefined);
});

Deno.test("arrayDataset() refuses answers that do not fit its sequences", () => {
  const frames = new Float32Array(6);
  const sequences = { train: [frames], validation: [frames], test: [] };
  const options = { name: "arrays", frameShape: [1, 2, 1], sequences } as const;
  const refused = (targets: Parameters<typeof arrayDataset>[0]["targets"], message: RegExp) =>
    assert.throws(
      () => arrayDataset({ ...options, targets }),
      (error) => error instanceof DatasetError && message.test(error.message),
    );
  const classes = ["a", "b"];
  const labels = { train: [0], validation: [1], test: [] };
  refused({ classes, labels: { ...labels, train: [0, 1] } }, /train: .* 1 sequences and 2 answers/);
  refused({ classes, labels: { ...labels, validation: [2] } }, /label 2 of sequence 0 of validat/);
  const values = { ...sequences, train: [frames.slice(1)] };
  refused({ shape: [1, 2, 1], values }, /sequence 0 of train: .*3 frames .* 6 values, found 5/);
  refused({ shape: [1, 2], values: sequences, classes: ["a"] }, /1 x 2 as classes: .* 1 classes/);
});

const side = 8;
const windowFrames = 3;
/** Sequences that are dark or light from one to the next. */
const shades = (count: number, more = 0) =>
  Array.from(
    { length: count },
    (_, i) => new Float32Array(windowFrames * side * side).fill(i % 2 === 0 ? more : 1 - more),
  );
const frameShape = [side, side, 1] as const;
const sequences = { train: shades(12), validation: shades(4), test: [] };

testOnEngines("a classifier trains on arrays with labels", async (open) => {
  const labelsOf = (count: number) => Array.from({ length: count }, (_, i) => i % 2);
  const targets = {
    classes: ["dark", "light"],
    labels: { train: labelsOf(12), validation: labelsOf(4), test: [] },
  };
  const dataset = arrayDataset({ name: "shades", frameShape, sequences, targets });
  const model = cnnLstm({ frameShape, windowFrames, classes: 2, filters: 2, units: 3 });
  const engine = await open(1);
  const { accuracy } = await trainAlone({ engine, dataset, model, lanes: 4, epochs: 16 });
  assert.equal(accuracy, 1);
});

testOnEngines("a supervised U-Net trains on arrays with an answer to each pixel", async (open) => {
  const targets = {
    shape: frameShape,
    values: { train: shades(12, 0.25), validation: shades(4, 0.25), test: [] },
  };
  const dataset = arrayDataset({ name: "shades", frameShape, sequences, targets });
  const model = convLstmUnet({
    ...{ frameShape, windowFrames, mode: "supervised", outputShape: frameShape },
    ...{ outputActivation: "linear", filters: 2, levels: 2, kernelSize: 3 },
  });
  const engine = await open(1);
  const { validationLoss } = await trainAlone({ engine, dataset, model, lanes: 4, epochs: 20 });
  // A constant answer is wrong by 0.25 everywhere.
  assert.ok(validationLoss < 0.03, `${validationLoss}`);
});
