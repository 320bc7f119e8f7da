import assert from "node:assert/strict";
import type { Dataset } from "../../datasets/dataset.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Tally } from "../../net/messages.ts";
import { isAllFinite } from "../../net/finite.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { faultsInARowMax, planTraining, runTraining } from "../../worker/run_training.ts";
import { emptyTally } from "../../worker/tally.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

const configuration: RunConfiguration = {
  ...smallRun,
  shards: 3,
  epochs: 2,
  snapshotSteps: 1,
  checkpointSteps: 1,
};
const [badSequence, badFrame] = [1, 4];

/** One pixel of one training sequence is not a number, or as bright as floats go. */
function brokenDataset(value: number): Dataset {
  const sound = noiseDataset();
  return {
    ...sound,
    async read(request) {
      const values = await sound.read(request);
      const { split, sequence, offset, frames } = request;
      if (split === "train" && sequence === badSequence && offset <= badFrame) {
        if (badFrame < offset + frames) values[(badFrame - offset) * 20 + 7] = value;
      }
      return values;
    },
  };
}

/** What a run with `workers` workers came to; all of them must agree. */
async function run(
  engine: Engine,
  workers: number,
  value: number,
  onNan: RunConfiguration["onNan"],
  { skipUpTo = 0, tally, dataset = brokenDataset(value), epochs = 2 }: {
    readonly skipUpTo?: number;
    readonly tally?: Tally;
    readonly dataset?: Dataset;
    readonly epochs?: number;
  } = {},
) {
  const ran = { ...configuration, onNan, epochs };
  const lanesPerShard = ran.lanes / ran.shards;
  const told: string[][] = [];
  const wanted: string[] = [];
  const failures: string[] = [];
  let parameters: Float32Array | undefined;
  const lanes = new Map<number, Float32Array>();
  await withTrainers(engine, workers, async (members) => {
    await Promise.all(members.map(async ({ trainer, shards }) => {
      const mine: string[] = [];
      told.push(mine);
      let before = [trainer.readParameters(), ...trainer.readSlots()];
      const own = shards.flatMap((shard) =>
        Array.from({ length: lanesPerShard }, (_, row) => shard * lanesPerShard + row)
      );
      await runTraining({
        configuration: ran,
        dataset,
        window: smallModel(ran).window,
        trainer,
        shards,
        start: { step: 0, epoch: 0, planStep: 0 },
        skipUpTo,
        tally,
        learningRate: () => 0.01,
        clock: new FakeClock(),
        hooks: {
          stopRequested: () => false,
          progress({ position, fault }) {
            const after = [trainer.readParameters(), ...trainer.readSlots()];
            if (fault !== "") {
              mine.push(`${position.step}: ${fault}`);
              assert.deepEqual(after, before, "a step that is not finite was applied");
            } else {
              assert.notDeepEqual(after, before);
            }
            before = after;
          },
          validate: () => Promise.resolve(),
          picture: () => Promise.resolve(),
          snapshot({ step }) {
            const kept = [...after(), ...own.map((lane) => trainer.states.readLane(lane))];
            assert.ok(kept.every(isAllFinite), `the snapshot of step ${step} is not finite`);
            return Promise.resolve();
            function after() {
              return [trainer.readParameters(), ...trainer.readSlots()];
            }
          },
          rollback(step, fault) {
            wanted.push(`${step}: ${fault}`);
            return Promise.reject(new Error("rolled back"));
          },
        },
      }).catch((error) => failures.push((error as Error).message));
      for (const lane of own) lanes.set(lane, trainer.states.readLane(lane));
      const mineAfter = trainer.readParameters();
      assert.deepEqual(mineAfter, parameters ?? mineAfter, "workers disagree");
      parameters = mineAfter;
    }));
  }, { configuration: ran });
  for (const each of told) assert.deepEqual(each, told[0], "workers decided apart");
  return { told: told[0], wanted, failures, parameters: parameters!, lanes };
}

for (const value of [NaN, Infinity, 1e30]) {
  testOnEngines(
    `a step with a frame of ${value} is skipped by every worker, to the same bits`,
    async (open) => {
      const engine = await open(1);
      const alone = await run(engine, 1, value, "skip");
      // The window with the broken frame, or both windows that share it, in each of two epochs.
      assert.ok(alone.told.length >= 2, `only ${alone.told}`);
      const plan = planTraining(
        { configuration, dataset: noiseDataset(), window: smallModel(configuration).window },
        0,
      );
      assert.ok(alone.told.length < plan.steps, "hardly anything was trained");
      for (const workers of [2, 3]) {
        const several = await run(engine, workers, value, "skip");
        assert.deepEqual(several.told, alone.told);
        assert.deepEqual(several.parameters, alone.parameters);
        assert.deepEqual(new Map([...several.lanes].sort()), new Map([...alone.lanes].sort()));
      }
      assert.deepEqual(alone.failures, []);
    },
  );
}

testOnEngines("a step that is not finite ends the run where asked to stop", async (open) => {
  const engine = await open(1);
  for (const workers of [1, 2, 3]) {
    const { failures, told } = await run(engine, workers, NaN, "stop");
    assert.deepEqual(told, []);
    assert.equal(failures.length, workers);
    for (const failure of failures) {
      assert.match(failure, /^Cannot apply step \d+: its loss is NaN/);
    }
    assert.equal(new Set(failures).size, 1);
  }
});

testOnEngines(
  "a step that is not finite is gone back for once, then skipped",
  async (open) => {
    const engine = await open(1);
    const skipped = await run(engine, 1, NaN, "skip");
    for (const workers of [1, 2, 3]) {
      const first = await run(engine, workers, NaN, "rollback");
      assert.deepEqual(first.wanted, Array.from({ length: workers }, () => skipped.told[0]));
      const lastStep = Number(skipped.told.at(-1)!.split(":")[0]);
      const second = await run(engine, workers, NaN, "rollback", { skipUpTo: lastStep });
      assert.deepEqual([second.wanted, second.told], [[], skipped.told]);
      assert.deepEqual(second.parameters, skipped.parameters);
    }
  },
);

testOnEngines(
  "a run of which no step is finite gives up, the same on every worker",
  async (open) => {
    const engine = await open(1);
    const sound = noiseDataset();
    const dataset: Dataset = {
      ...sound,
      read: async (request) => (await sound.read(request)).fill(NaN),
    };
    for (const onNan of ["skip", "rollback"] as const) {
      for (const workers of [1, 2]) {
        // Those of an earlier generation count: it was going back that made this one.
        for (const before of [0, faultsInARowMax - 2]) {
          const { failures, told } = await run(engine, workers, NaN, onNan, {
            skipUpTo: Infinity,
            epochs: 5,
            tally: { ...emptyTally, faultsInARow: before },
            dataset,
          });
          const last = faultsInARowMax - before;
          assert.equal(told.length, last - 1);
          assert.deepEqual(
            failures,
            Array.from(
              { length: workers },
              () =>
                `Gave up at step ${last}: 10 steps in a row were not finite, the last because its loss is ` +
                "NaN; start anew with a lower --learning-rate or with --clip-norm, or look at the data",
            ),
          );
        }
      }
    }
  },
);
