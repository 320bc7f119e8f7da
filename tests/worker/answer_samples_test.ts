import assert from "node:assert/strict";
import { arrayDataset } from "../../datasets/array_dataset.ts";
import { tf } from "../../engine/tf.ts";
import { convLstm } from "../../models/convlstm.ts";
import type { Model } from "../../models/model.ts";
import { sgd } from "../../models/optimizers/sgd.ts";
import { vae } from "../../models/vae.ts";
import { random } from "../../net/random.ts";
import { type SampleOptions, unsampledBecause } from "../../worker/answer_samples.ts";
import { evaluateSplit } from "../../worker/evaluation.ts";
import { scoreSplit } from "../../worker/score_split.ts";
import { createStepFunctions } from "../../worker/step_functions.ts";
import { noisyClassifier } from "./noisy_classifier.ts";
import { testOnEngines } from "./small_run.ts";

const frameShape = [8, 8, 1] as const;
const dataset = arrayDataset({
  name: "noise",
  frameShape,
  sequences: {
    ...{ train: [], validation: [] },
    test: [5, 4, 2].map((frames, index) => {
      const { uniform } = random("answers", index);
      return Float32Array.from({ length: frames * 64 }, uniform);
    }),
  },
});
const sizes = { filters: [2, 2], units: 4, latent: 2, klWeight: 1 } as const;
const sampled = vae({ frameShape, windowFrames: 2, form: "convlstm", ...sizes });

function initialParameters(model: Model): tf.Tensor {
  const values = model.initialize(3).flatMap((array) => [...array]);
  return tf.tensor1d(values);
}

testOnEngines(
  "evaluateSplit draws the answers of a seed, however many are asked for",
  async (open) => {
    const engine = await open(1);
    const optimizer = sgd(0);
    const functions = createStepFunctions({ engine, model: sampled, loss: "mse", optimizer });
    const parameters = initialParameters(sampled);
    const answers = async (samples: SampleOptions, shards: number): Promise<Float32Array[][]> => {
      const all: Float32Array[][] = [];
      await evaluateSplit({
        ...{ trainer: { functions, parameters: () => parameters }, model: sampled, dataset },
        ...{ split: "test", lanes: 2, lanesPerShard: 2 / shards, aheadMax: 2, samples },
        shards: Array.from({ length: shards }, (_, shard) => shard),
        onWindows: ({ predictions, samples }) => {
          all.push(
            [predictions, ...samples].map((each) => each.dataSync().slice() as Float32Array),
          );
          return Promise.resolve();
        },
      });
      return all;
    };
    const three = await answers({ count: 3, seed: 1 }, 1);
    assert.ok(three.length > 1);
    // Answers of a window differ from each other and from the one with the middle noise.
    for (const each of three) assert.equal(new Set(each.map(String)).size, 4);
    assert.deepEqual(await answers({ count: 3, seed: 1 }, 1), three);
    const two = await answers({ count: 2, seed: 1 }, 1);
    assert.deepEqual(two, three.map((each) => each.slice(0, 3)));
    const other = await answers({ count: 2, seed: 2 }, 1);
    assert.deepEqual(other.map(([middle]) => middle), two.map(([middle]) => middle));
    assert.notDeepEqual(other[0][1], two[0][1]);
    // A lane's noise is its own, whichever shard it is in.
    const [first, second] = await answers({ count: 2, seed: 1 }, 2);
    two[0].forEach((whole, i) => {
      [...first[i], ...second[i]].forEach((value, j) => {
        assert.ok(Math.abs(value - whole[j]) < 1e-5, `${value}, ${whole[j]}`);
      });
    });
    parameters.dispose();
    functions.dispose();
  },
);

testOnEngines("scoreSplit scores the answers of a seed together", async (open) => {
  const engine = await open(1);
  const parameters = initialParameters(sampled);
  const given = { engine, model: sampled, parameters, dataset, lanes: 3 };
  const scored = async (samples?: SampleOptions) =>
    (await scoreSplit({ ...given, samples })).result;
  const result = await scored({ count: 4, seed: 1 });
  const crps = result.frames!.pooled.crps!;
  assert.ok(crps > 0);
  assert.deepEqual(await scored({ count: 4, seed: 1 }), result);
  assert.notEqual((await scored({ count: 4, seed: 2 })).frames!.pooled.crps, crps);
  // What the one answer is scored on is as without samples.
  const { frames, ...rest } = await scored();
  assert.equal(frames!.pooled.crps, null);
  assert.deepEqual({ ...rest, frames: { ...frames!.pooled, crps } }, {
    ...result,
    frames: result.frames!.pooled,
  });
  parameters.dispose();
});

testOnEngines("scoreSplit refuses samples where all answers are the same one", async (open) => {
  const engine = await open(1);
  const model = convLstm({ frameShape, filters: [2], kernelSize: 3, windowFrames: 2 });
  const parameters = initialParameters(model);
  await assert.rejects(
    scoreSplit({ engine, model, parameters, dataset, samples: { count: 2, seed: 1 } }),
    /^RangeError: Cannot draw samples of convlstm: it takes no noise outside of training/,
  );
  parameters.dispose();
});

Deno.test("unsampledBecause tells why answers are the same one, or not scored", () => {
  assert.equal(unsampledBecause(sampled), undefined);
  const coin = { name: "fed", shape: [1], distribution: "coin", chance: () => 1 } as const;
  assert.match(unsampledBecause({ ...sampled, noise: [coin] })!, /no noise outside of training/);
  assert.match(unsampledBecause(noisyClassifier())!, /predicts no frames/);
});
