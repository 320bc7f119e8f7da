import assert from "node:assert/strict";
import { type Plan, planEpoch } from "../../datasets/plan.ts";
import type { Engine, ExecutionMode } from "../../engine/engine.ts";
import { tf } from "../../engine/tf.ts";
import type { Schedule } from "../../models/schedules.ts";
import { type RunConfiguration, scheduleNames } from "../../net/run_configuration.ts";
import type { StepReport } from "../../worker/opened_run.ts";
import { parameterCount, uploadWindows } from "../../worker/trainer.ts";
import { frameSize, readWindows, type WindowSource } from "../../worker/window_batch.ts";
import {
  type Member,
  noiseDataset,
  smallModel,
  smallRun,
  testOnEngines,
  withTrainers,
} from "./small_run.ts";
import { wholeSequenceLosses } from "./whole_sequences.ts";

function sourceOf(configuration: RunConfiguration): WindowSource & { plan: Plan } {
  const dataset = noiseDataset(configuration.dataset);
  const { lanes, shards, seed } = configuration;
  const { window } = smallModel(configuration);
  const sequences = dataset.catalogue("train", 0);
  const plan = planEpoch({ sequences, window, lanes, seed, epoch: 0, shuffle: true });
  return { dataset, split: "train", epoch: 0, plan, window, lanesPerShard: lanes / shards };
}

/** Plays one step of the plan on all members at once. */
async function playStep(
  members: readonly Member[],
  source: WindowSource,
  step: number,
  stopping: readonly number[] = [],
): Promise<StepReport[]> {
  const divisor = source.plan.weightSum(step) * frameSize(source.dataset);
  return await Promise.all(members.map(({ trainer, shards, rank }) => {
    const next = shards.values();
    const read = () => readWindows(source, step, next.next().value!, divisor);
    return trainer.trainStep(read, stopping.includes(rank));
  }));
}

interface Result {
  readonly losses: readonly number[];
  /** Parameters, slots and the states of all lanes. */
  readonly vectors: readonly Float32Array[];
}

/** An epoch of the small run; every member must have come to the same. */
async function trainEpoch(
  engine: Engine,
  workers: number,
  configuration = smallRun,
  mode?: ExecutionMode,
): Promise<Result> {
  const source = sourceOf(configuration);
  const { lanesPerShard } = source;
  let result: Result | undefined;
  await withTrainers(engine, workers, async (members) => {
    const losses: number[] = [];
    let tensors = -1;
    for (let step = 0; step < source.plan.steps; step++) {
      const reports = await playStep(members, source, step);
      assert.equal(new Set(reports.map(({ loss }) => loss)).size, 1, "losses differ");
      losses.push(reports[0].loss);
      if (tensors < 0) tensors = tf.memory().numTensors;
      assert.equal(tf.memory().numTensors, tensors, `step ${step} leaves tensors over`);
    }
    const all = members.map(({ trainer }) => [trainer.readParameters(), ...trainer.readSlots()]);
    for (const vectors of all) assert.deepEqual(vectors, all[0], "workers differ");
    const states = Array.from({ length: configuration.lanes }, (_, lane) => {
      const shard = Math.floor(lane / lanesPerShard);
      const owner = members.find(({ shards }) => shards.includes(shard))!;
      return owner.trainer.states.readLane(lane);
    });
    result = { losses, vectors: [...all[0], ...states] };
  }, { configuration, mode });
  return result!;
}

interface Saved {
  readonly parameters: Float32Array;
  readonly slots: readonly Float32Array[];
  readonly lanes: ReadonlyMap<number, Float32Array>;
}

/** Parameters, slots and states of trainers with a lane in each shard. */
function readAll(members: readonly Member[]): Saved {
  const [{ trainer }] = members;
  const lanes = members.flatMap(({ trainer, shards }) =>
    shards.map((lane) => [lane, trainer.states.readLane(lane)] as const)
  );
  return {
    parameters: trainer.readParameters(),
    slots: trainer.readSlots(),
    lanes: new Map(lanes),
  };
}

function restoreAll(members: readonly Member[], step: number, saved: Saved): void {
  for (const { trainer, shards } of members) {
    trainer.restore(step, saved.parameters, saved.slots);
    trainer.states.writeLanes(new Map(shards.map((lane) => [lane, saved.lanes.get(lane)!])));
  }
}

function assertSameBits(found: Result, expected: Result, what: string): void {
  assert.deepEqual(found.losses, expected.losses, `${what}: losses`);
  const bits = ({ vectors }: Result) =>
    vectors.map((values) => new Uint32Array(values.slice().buffer));
  assert.deepEqual(bits(found), bits(expected), what);
}

testOnEngines("training has the same bits with 1, 2, 3 and 6 workers", async (open) => {
  for (const name of ["convlstm", "encoder-forecaster"] as const) {
    for (const shards of [6, 3]) {
      const configuration = { ...smallRun, shards, model: { ...smallRun.model, name } };
      const engine = await open(1);
      const alone = await trainEpoch(engine, 1, configuration);
      assert.ok(alone.losses.every((loss) => loss > 0));
      assert.ok(new Set(alone.losses).size > 1, "nothing was learned");
      for (const workers of [2, 3, 6].filter((count) => count <= shards)) {
        const together = await trainEpoch(engine, workers, configuration);
        assertSameBits(together, alone, `${name}, ${shards} shards, ${workers} workers`);
      }
    }
  }
});

testOnEngines("training has the same bits with 1, 2 and 4 threads", async (open) => {
  // Large enough that TensorFlow would share one op among threads if it were allowed to.
  const configuration = {
    ...smallRun,
    dataset: { ...smallRun.dataset, frameSize: 32 },
    model: { ...smallRun.model, filters: [16] },
    shards: 2,
  };
  const train = async (threads: number, workers: number) =>
    await trainEpoch(await open(threads), workers, configuration);
  const one = await train(1, 1);
  for (const threads of [2, 4]) assertSameBits(await train(threads, 1), one, `${threads} threads`);
  assertSameBits(await train(2, 2), one, "2 workers of 2 threads");
}, ["tensorflow"]);

testOnEngines("training has the same bits traced and op by op", async (open) => {
  const engine = await open(1);
  const traced = await trainEpoch(engine, 1, smallRun, "traced");
  assertSameBits(await trainEpoch(engine, 1, smallRun, "eager"), traced, "op by op");
}, ["tensorflow"]);

for (const schedule of scheduleNames) {
  testOnEngines(
    `Trainer goes on from what was read of it, to the same bits, ${schedule}`,
    async (open) => {
      const engine = await open(1);
      const warmupSteps = schedule === "one-cycle" ? 0 : 4;
      const optimizer = { ...smallRun.optimizer, schedule, warmupSteps };
      const configuration = { ...smallRun, optimizer };
      const source = sourceOf(configuration);
      const half = 2;
      const whole = await trainEpoch(engine, 1, configuration);
      let saved: Saved;
      await withTrainers(engine, 2, async (members) => {
        for (let step = 0; step < half; step++) await playStep(members, source, step);
        saved = readAll(members);
        const [{ trainer }] = members;
        assert.equal(trainer.step, half);
        assert.deepEqual(trainer.slotNames, ["adam/m", "adam/v"]);
      }, { configuration });
      // Other workers, that begin with other weights.
      await withTrainers(engine, 3, async (members) => {
        restoreAll(members, half, saved);
        const losses: number[] = [];
        for (let step = half; step < source.plan.steps; step++) {
          losses.push((await playStep(members, source, step))[0].loss);
        }
        assert.deepEqual(losses, whole.losses.slice(half));
        const [{ trainer }] = members;
        assert.equal(trainer.step, source.plan.steps);
        assert.deepEqual(
          [trainer.readParameters(), ...trainer.readSlots()],
          whole.vectors.slice(0, 3),
        );
      }, { configuration: { ...configuration, seed: 99 }, firstStep: half + 1 });
    },
  );
}

testOnEngines(
  "Trainer takes the learning rate of the step, also once it is restored",
  async (open) => {
    const engine = await open(1);
    const optimizer = { ...smallRun.optimizer, name: "sgd" as const, clipNorm: null };
    const configuration = { ...smallRun, optimizer };
    const source = sourceOf(configuration);
    // Powers of two, so that a step of half the learning rate goes exactly half as far.
    const initial = [new Float32Array(parameterCount(smallModel(configuration)))];
    const moved = async (step: number, schedule: Schedule, isRestored = true) => {
      let difference: Float32Array = new Float32Array();
      await withTrainers(engine, 1, async (members) => {
        const [{ trainer }] = members;
        if (isRestored) trainer.restore(step - 1, initial[0], []);
        await playStep(members, source, 0);
        difference = trainer.readParameters();
      }, { configuration, initial, firstStep: step, schedule });
      return difference;
    };
    const first = await moved(1, () => 1, false);
    assert.ok(first.some((value) => value !== 0));
    for (const step of [1, 2, 9]) {
      const wanted = first.map((value) => value / 2 ** (step - 1));
      assert.deepEqual(await moved(step, (at) => 2 ** (1 - at)), wanted, `step ${step}`);
    }
  },
);

testOnEngines("Trainer's loss is the weighted mean over all frames that count", async (open) => {
  const engine = await open(1);
  const source = sourceOf(smallRun);
  const size = frameSize(source.dataset);
  const model = smallModel();
  await withTrainers(engine, 1, async (members) => {
    const [{ trainer, shards }] = members;
    for (let step = 0; step < source.plan.steps; step++) {
      // From the predictions themselves, in float64, before the step changes them.
      let [sum, frames] = [0, 0];
      for (const shard of shards) {
        const batch = await readWindows(source, step, shard, 1);
        const windows = uploadWindows(batch, model, source.lanesPerShard);
        const state = trainer.states.ofShard(shard);
        const result = await trainer.functions.evaluate(trainer.parameters(), state, windows);
        const predictions = result.predictions.dataSync();
        const valid = batch.weights.filter((weight) => weight > 0).length;
        frames += valid;
        for (let index = 0; index < valid * size; index++) {
          // The target of a frame is the one after it.
          sum += (predictions[index] - batch.frames[index + size]) ** 2;
        }
        const { losses, state: newState } = result;
        tf.dispose([windows.frames, windows.resets, windows.weights]);
        tf.dispose([result.predictions, losses, newState]);
      }
      const [{ loss }] = await playStep(members, source, step);
      const expected = sum / (frames * size);
      assert.ok(Math.abs(loss - expected) < 1e-5 * expected, `step ${step}: ${loss}, ${expected}`);
    }
  });
});

testOnEngines(
  "Trainer carries each lane's state along its sequences, and resets it",
  async (open) => {
    const engine = await open(1);
    // With parameters that stay as they are, an epoch's losses add up to those of whole sequences.
    const optimizer = { ...smallRun.optimizer, name: "sgd" as const, learningRate: 0 };
    for (const shards of [6, 2]) {
      const configuration = { ...smallRun, optimizer, shards };
      const source = sourceOf(configuration);
      await withTrainers(engine, 2, async (members) => {
        let [sum, values] = [0, 0];
        for (let step = 0; step < source.plan.steps; step++) {
          const [{ loss }] = await playStep(members, source, step);
          const divisor = source.plan.weightSum(step) * frameSize(source.dataset);
          sum += loss * divisor;
          values += divisor;
        }
        const whole = await wholeSequenceLosses(members[0].trainer, configuration, "train");
        assert.equal(values, whole.values);
        assert.ok(Math.abs(sum - whole.loss) < 1e-5 * whole.loss, `${sum}, ${whole.loss}`);
      }, { configuration });
    }
  },
);

testOnEngines("Trainer tells everyone when one worker asks to stop", async (open) => {
  const engine = await open(1);
  const source = sourceOf(smallRun);
  const parameters: Float32Array[] = [];
  for (const stopping of [[], [1], [0, 1, 2]]) {
    await withTrainers(engine, 3, async (members) => {
      const reports = await playStep(members, source, 0, stopping);
      assert.deepEqual(reports.map(({ stop }) => stop), members.map(() => stopping.length > 0));
      parameters.push(members[0].trainer.readParameters());
    });
  }
  // The wish travels with the gradient and changes nothing in it.
  assert.deepEqual(parameters[1], parameters[0]);
  assert.deepEqual(parameters[2], parameters[0]);
});

testOnEngines(
  "Trainer applies nothing of a step whose loss is not a number, on any worker",
  async (open) => {
    const engine = await open(1);
    const source = sourceOf(smallRun);
    await withTrainers(engine, 2, async (members) => {
      const count = members[0].trainer.parameterCount;
      for (const { trainer } of members) {
        const slots = trainer.slotNames.map(() => new Float32Array(count));
        trainer.restore(0, new Float32Array(count).fill(NaN), slots);
      }
      const outcomes = await Promise.allSettled(
        members.map((member) => playStep([member], source, 0)),
      );
      for (const outcome of outcomes) {
        assert.ok(outcome.status === "fulfilled");
        const [{ fault, lanesReset }] = outcome.value;
        assert.equal(fault, "its loss is NaN");
        assert.equal(lanesReset!.length, 3);
      }
      for (const { trainer, shards } of members) {
        assert.equal(trainer.step, 1);
        assert.deepEqual(trainer.readSlots().map((slot) => slot.some(Boolean)), [false, false]);
        for (const shard of shards) assert.ok(trainer.states.readLane(shard).every((x) => x === 0));
      }
    });
  },
);

for (const name of ["infinite", "not a number"]) {
  testOnEngines(
    `Trainer applies nothing of a step that leaves a lane's state ${name}, on any worker`,
    async (open) => {
      const engine = await open(1);
      const sound = smallModel();
      // A state of its own that grows beyond float32 in a lane's third window, while loss and gradient,
      // which know nothing of it, stay as they are.
      const growing: typeof sound = {
        ...sound,
        state: [...sound.state, { name: "growing", shape: [2] }],
        apply(parameters, state, inputs) {
          const [before] = state.slice(-1);
          const output = sound.apply(parameters, state.slice(0, -1), inputs);
          const grown = tf.add(tf.mul(before, 1e20), 1) as typeof before;
          // 0, or what is left of infinity without itself.
          const nothing = tf.sub(grown, tf.mul(grown, 1)) as typeof before;
          const next = name === "infinite" ? grown : tf.add(grown, nothing) as typeof before;
          return { ...output, state: [...output.state, next] };
        },
      };
      const source = sourceOf(smallRun);
      const faults: string[][] = [];
      await withTrainers(engine, 2, async (members) => {
        let before = members[0].trainer.readParameters();
        for (let step = 0; step < source.plan.steps; step++) {
          const reports = await playStep(members, source, step);
          faults.push(reports.map(({ fault = "" }) => fault));
          assert.equal(reports[0].fault, reports[1].fault);
          const isFault = reports[0].fault !== undefined;
          const resets = reports.flatMap(({ lanesReset = [] }) => lanesReset);
          assert.equal(resets.length > 0, isFault);
          for (const { trainer, shards } of members) {
            const after = trainer.readParameters();
            if (isFault) assert.deepEqual(after, before, `step ${step} was applied`);
            else assert.notDeepEqual(after, before);
            for (const lane of shards) {
              const state = trainer.states.readLane(lane);
              assert.ok(state.every(Number.isFinite), `lane ${lane} after step ${step}`);
              if (resets.includes(lane)) assert.ok(state.every((value) => value === 0));
            }
          }
          before = members[0].trainer.readParameters();
        }
      }, { model: growing });
      const wanted = "the state of a lane is not finite";
      assert.ok(faults.flat().includes(wanted), `${faults}`);
      assert.deepEqual(new Set(faults.flat()), new Set(["", wanted]));
    },
  );
}

testOnEngines(
  "createTrainer draws no first weights where they were drawn before",
  async (open) => {
    const engine = await open(1);
    const drawn = smallModel(smallRun);
    const initial = drawn.initialize(smallRun.seed);
    const model: typeof drawn = { ...drawn, initialize: () => assert.fail("drawn again") };
    let parameters: Float32Array | undefined;
    await withTrainers(engine, 1, async ([{ trainer }]) => {
      parameters = trainer.readParameters();
      await Promise.resolve();
    });
    await withTrainers(engine, 1, async ([{ trainer }]) => {
      assert.deepEqual(trainer.readParameters(), parameters);
      await Promise.resolve();
    }, { model, initial });
  },
);
