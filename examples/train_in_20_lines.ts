/** Lockstep as a library: a dataset of arrays, a model, and its training, in one process. */
import { arrayDataset, convLstm, openEngine, trainAlone } from "../mod.ts";

/** A bright bar that moves to the right, one pixel a frame: [20, 12, 12, 1]. */
const bar = (start: number) =>
  Float32Array.from({ length: 20 * 12 * 12 }, (_, i) => {
    const frame = Math.floor(i / 144);
    return i % 12 === (start + frame) % 12 ? 1 : 0;
  });
const bars = (count: number) => Array.from({ length: count }, (_, i) => bar(i * 5));

const engine = await openEngine("auto", { threads: 1, precision: "float32" });
const dataset = arrayDataset({
  name: "moving bars",
  frameShape: [12, 12, 1],
  sequences: { train: bars(24), validation: bars(8), test: bars(8) },
});
const model = convLstm({ frameShape: [12, 12, 1], filters: [8], kernelSize: 3, windowFrames: 5 });
const { steps, validationLoss, persistenceLoss } = await trainAlone({
  ...{ engine, dataset, model, epochs: 8, lanes: 8 },
  optimizer: { learningRate: 0.02 },
  onStep: ({ position, loss }) => console.log(`step ${position.step}: loss ${loss.toFixed(4)}`),
});
console.log(JSON.stringify({ steps, validationLoss, persistenceLoss }));
engine.dispose();
