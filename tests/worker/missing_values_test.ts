/** Training and validation on data that miss values, against PyTorch and at any number of workers. */
import assert from "node:assert/strict";
import type { Dataset, ReadRequest } from "../../datasets/dataset.ts";
import { planEpoch } from "../../datasets/plan.ts";
import { tf } from "../../engine/tf.ts";
import { convLstm } from "../../models/convlstm.ts";
import type { LossName, RunConfiguration } from "../../net/run_configuration.ts";
import { evaluateSplit } from "../../worker/evaluation.ts";
import { meanLosses } from "../../worker/mean_losses.ts";
import type { StepReport } from "../../worker/opened_run.ts";
import { disposeWindows, sumOf, type Trainer, uploadWindows } from "../../worker/trainer.ts";
import { readWindows, type WindowBatch, type WindowSource } from "../../worker/window_batch.ts";
import torch from "../fixtures/missing/torch.json" with { type: "json" };
import { assertClose } from "../models/close_to.ts";
import { formulaValues, numbers } from "../models/keras_fixture.ts";
import {
  type Member,
  noiseDataset,
  smallModel,
  smallRun,
  testOnEngines,
  withTrainers,
} from "./small_run.ts";

const [lanes, windowFrames, height, width, channels, filters] = [2, 3, 5, 4, 2, 3];
const laneSize = (windowFrames + 1) * height * width * channels;

/** A lane's window of make_torch.py. */
function torchWindow(lane: number): WindowBatch {
  const all = formulaValues(lanes * laneSize, 90, 0.5)
    .map((value, i) => {
      const isOfDarkFrame =
        Math.floor(i / (laneSize / (windowFrames + 1))) === windowFrames + 1 + 2;
      return isOfDarkFrame || (i * i * 7 + i * 13) % 5 === 0 ? NaN : value + Math.fround(0.5);
    });
  return {
    ...{ step: 0, shard: lane, resets: Float32Array.of(1) },
    frames: all.slice(lane * laneSize, (lane + 1) * laneSize),
    weights: lane === 0 ? Float32Array.of(1, 1, 1) : Float32Array.of(1, 1, 0),
  };
}

const torchModel = convLstm({
  ...{ frameShape: [height, width, channels], filters: [filters], kernelSize: 3, windowFrames },
});
const torchParameters = torchModel.parameters.map(({ shape }, index) =>
  formulaValues(shape.reduce((size, side) => size * side, 1), index + 1, 0.4)
);

function flatOf(arrays: readonly ArrayLike<number>[]): number[] {
  return arrays.flatMap((values) => Array.from(values));
}

testOnEngines("losses and gradients of what was observed are PyTorch's", async (open) => {
  const engine = await open(1);
  for (const { loss, mean, counted, persistence, persistenceCounted, gradients } of torch.cases) {
    const configuration: RunConfiguration = {
      ...{ ...smallRun, lanes, shards: lanes, loss: loss as LossName },
      // One step of it is the gradient itself.
      optimizer: { ...smallRun.optimizer, name: "sgd", learningRate: 1, clipNorm: null },
    };
    await withTrainers(engine, 2, async (members) => {
      const reports = await Promise.all(members.map(({ trainer, shards }) => {
        const next = shards.values();
        return trainer.trainStep(() => Promise.resolve(torchWindow(next.next().value!)), false);
      }));
      assert.deepEqual(reports[0], reports[1]);
      const [{ trainer }] = members;
      const { errorsPerPrediction } = trainer;
      assertClose([reports[0].counted! * errorsPerPrediction], [counted], loss, {
        relative: 1e-12,
      });
      assertClose([reports[0].loss], [mean], `${loss}: loss`, { relative: 1e-6 });
      const before = flatOf(torchParameters);
      const step = [...trainer.readParameters()].map((value, i) => before[i] - value);
      const expected = flatOf(gradients.map(numbers));
      assertClose(step, expected, `${loss}: gradient`, { relative: 1e-6, floor: 1e-6 });
    }, { configuration, model: torchModel, hasMissing: true, initial: torchParameters });
    await withTrainers(engine, 1, async ([{ trainer }]) => {
      const sums = { loss: 0, counted: 0, persistence: 0, persistenceCounted: 0 };
      for (const lane of [0, 1]) {
        const windows = uploadWindows(torchWindow(lane), torchModel, 1);
        const state = torchModel.state.map(({ shape }) => tf.zeros([1, ...shape]));
        const { losses, predictions, state: after, counts } = await trainer.functions.evaluate(
          ...[trainer.parameters(), state, windows] as const,
        );
        const { evaluated } = trainer.functions;
        sums.loss += losses.dataSync()[evaluated.indexOf("lossSum")];
        sums.persistence += losses.dataSync()[evaluated.indexOf("persistenceSum")];
        sums.counted += sumOf(counts!.model);
        sums.persistenceCounted += sumOf(counts!.persistence!);
        tf.dispose([losses, predictions, counts!.model, counts!.persistence!, ...state, ...after]);
        disposeWindows(windows);
      }
      assert.equal(sums.counted, counted);
      assert.equal(sums.persistenceCounted, persistenceCounted);
      assertClose([sums.loss / counted], [mean], `${loss}: evaluated`, { relative: 1e-6 });
      const repeated = sums.persistence / persistenceCounted;
      assertClose([repeated], [persistence], `${loss}: persistence`, { relative: 1e-6 });
    }, { configuration, model: torchModel, hasMissing: true, initial: torchParameters });
  }
});

/** Whether a value, counted from its sequence's beginning, is missing. */
type Missing = (sequence: number, index: number) => boolean;

/** A third of all values, all of one sequence, and of all sequences two frames of which one follows. */
const someMissing: Missing = (sequence, index) => {
  const frame = Math.floor(index / 20);
  return sequence === 3 || frame === 4 || frame === 5 || (index * index * 7 + sequence) % 3 === 0;
};

function missingDataset(missing: Missing): Dataset {
  const whole = noiseDataset();
  return {
    ...whole,
    hasMissing: true,
    async read(request: ReadRequest) {
      const values = await whole.read(request);
      const first = request.offset * 20;
      return values.map((value, i) => missing(request.sequence, first + i) ? NaN : value);
    },
  };
}

function sourceOf(dataset: Dataset, { lanes, shards, seed }: RunConfiguration): WindowSource {
  const { window } = smallModel();
  const sequences = dataset.catalogue("train", 0);
  const plan = planEpoch({ sequences, window, lanes, seed, epoch: 0, shuffle: true });
  return { dataset, split: "train", epoch: 0, plan, window, lanesPerShard: lanes / shards };
}

async function playStep(
  members: readonly Member[],
  source: WindowSource,
  step: number,
): Promise<StepReport> {
  const reports = await Promise.all(members.map(({ trainer, shards }) => {
    const next = shards.values();
    return trainer.trainStep(() => readWindows(source, step, next.next().value!, 1), false);
  }));
  for (const report of reports) assert.deepEqual(report, reports[0], "workers differ");
  return reports[0];
}

function bitsOf(trainer: Trainer): Uint32Array[] {
  return [trainer.readParameters(), ...trainer.readSlots()]
    .map((values) => new Uint32Array(values.buffer));
}

testOnEngines(
  "what is missing leaves the bits the same at any number of workers, and after a restore",
  async (open) => {
    const engine = await open(1);
    const source = sourceOf(missingDataset(someMissing), smallRun);
    let dark = 0;
    for (let step = 0; step < source.plan.steps; step++) {
      for (let shard = 0; shard < smallRun.shards; shard++) {
        const { frames, weights } = await readWindows(source, step, shard, 1);
        if (weights.some((weight) => weight > 0) && frames.subarray(20).every(Number.isNaN)) dark++;
      }
    }
    assert.ok(dark > 1, "no shard without any observed pixel");
    const train = async (workers: number) => {
      let result: { reports: StepReport[]; bits: Uint32Array[] };
      await withTrainers(engine, workers, async (members) => {
        const reports: StepReport[] = [];
        for (let step = 0; step < source.plan.steps; step++) {
          reports.push(await playStep(members, source, step));
        }
        for (const { trainer } of members) {
          assert.deepEqual(bitsOf(trainer), bitsOf(members[0].trainer));
        }
        result = { reports, bits: bitsOf(members[0].trainer) };
      }, { hasMissing: true });
      return result!;
    };
    const alone = await train(1);
    assert.ok(alone.reports.every(({ loss, fault }) => loss > 0 && fault === undefined));
    for (const workers of [2, 3, 6]) {
      assert.deepEqual(await train(workers), alone, `${workers} workers`);
    }
    const half = 2;
    let saved: { parameters: Float32Array; slots: Float32Array[]; lanes: [number, Float32Array][] };
    await withTrainers(engine, 2, async (members) => {
      for (let step = 0; step < half; step++) await playStep(members, source, step);
      const [{ trainer }] = members;
      saved = {
        parameters: trainer.readParameters(),
        slots: trainer.readSlots(),
        lanes: members.flatMap(({ trainer, shards }) =>
          shards.map((lane): [number, Float32Array] => [lane, trainer.states.readLane(lane)])
        ),
      };
    }, { hasMissing: true });
    await withTrainers(engine, 3, async (members) => {
      for (const { trainer, shards } of members) {
        trainer.restore(half, saved.parameters, saved.slots);
        trainer.states.writeLanes(new Map(saved.lanes.filter(([lane]) => shards.includes(lane))));
      }
      for (let step = half; step < source.plan.steps; step++) {
        assert.deepEqual(await playStep(members, source, step), alone.reports[step]);
      }
      assert.deepEqual(bitsOf(members[0].trainer), alone.bits);
    }, { configuration: { ...smallRun, seed: 99 }, firstStep: half + 1, hasMissing: true });
  },
);

testOnEngines(
  "a step of which nothing was observed changes no weight, and its loss is 0 of no weight",
  async (open) => {
    const engine = await open(1);
    const source = sourceOf(missingDataset(() => true), smallRun);
    await withTrainers(engine, 2, async (members) => {
      const before = bitsOf(members[0].trainer);
      const { loss, counted, fault } = await playStep(members, source, 0);
      assert.deepEqual([loss, counted, fault], [0, 0, undefined]);
      assert.equal(members[0].trainer.step, 1);
      assert.deepEqual(bitsOf(members[0].trainer), before);
    }, { hasMissing: true });
  },
);

testOnEngines(
  "data that might miss values and do not train as those that never do",
  async (open) => {
    const engine = await open(1);
    const run = async (hasMissing: boolean) => {
      const source = sourceOf(noiseDataset(), smallRun);
      let losses: number[] = [];
      await withTrainers(engine, 1, async ([{ trainer, shards }]) => {
        for (let step = 0; step < source.plan.steps; step++) {
          const next = shards.values();
          const divisor = hasMissing ? 1 : source.plan.weightSum(step) * 20;
          const read = () => readWindows(source, step, next.next().value!, divisor);
          const { loss, counted } = await trainer.trainStep(read, false);
          if (hasMissing) assert.equal(counted, source.plan.weightSum(step));
          losses.push(loss);
        }
        losses = [...losses, ...trainer.readParameters()];
      }, { hasMissing });
      return losses;
    };
    assertClose(await run(true), await run(false), "losses and weights", {
      relative: 1e-5,
      floor: 1e-5,
    });
  },
);

testOnEngines(
  "a validation's loss is the mean over all that was observed, whoever computes it",
  async (open) => {
    const engine = await open(1);
    const dataset = missingDataset(someMissing);
    const { lanes, shards: count } = smallRun;
    await withTrainers(engine, 1, async ([{ trainer }]) => {
      const evaluate = (shards: readonly number[]) =>
        evaluateSplit({
          ...{ trainer, model: smallModel(), dataset, split: "validation", lanes, shards },
          ...{ lanesPerShard: lanes / count, aheadMax: 2 },
        });
      const all = Array.from({ length: count }, (_, shard) => shard);
      const together = await evaluate(all);
      const apart = (await Promise.all(all.map((shard) => evaluate([shard])))).flat();
      assert.deepEqual(apart, together);
      const { loss, persistenceLoss } = meanLosses(together);
      // On uniform noise, the last frame has a mean error of 1/6, and the constant 0.5 one of 1/12.
      assert.ok(loss > 0.05 && loss < 0.15, `${loss}`);
      assert.ok(persistenceLoss! > 0.12 && persistenceLoss! < 0.21, `${persistenceLoss}`);
      const weights = together.reduce((sum, { weightSum }) => sum + weightSum, 0);
      let expected = 0;
      for (const [sequence, { frames }] of dataset.catalogue("validation", 0).entries()) {
        for (let i = 20; i < frames * 20; i++) if (!someMissing(sequence, i)) expected++;
      }
      assert.equal(weights, expected);
    }, { hasMissing: true });
  },
);
