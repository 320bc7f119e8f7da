import assert from "node:assert/strict";
import type { Engine } from "../../engine/engine.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import type { Position } from "../../worker/position.ts";
import { evaluateSplit } from "../../worker/evaluation.ts";
import type { ShardLoss } from "../../worker/opened_run.ts";
import { planTraining, runTraining, type TrainingEnd } from "../../worker/run_training.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

/** All that a checkpoint holds. */
interface Saved {
  readonly position: Position;
  readonly parameters: Float32Array;
  readonly slots: Float32Array[];
  readonly lanes: ReadonlyMap<number, Float32Array>;
}

interface Run {
  readonly end: TrainingEnd;
  /** What the hooks heard, in order: "step 3", "validated 5", "checkpoint 5 (1, 0)", "snapshot 6 (1, 1)". */
  readonly events: readonly string[];
  readonly losses: ReadonlyMap<number, number>;
  readonly validations: ReadonlyMap<number, readonly ShardLoss[]>;
  readonly snapshots: readonly Saved[];
  readonly parameters: Float32Array;
}

/** An epoch has 4 steps, the run 12. */
const configuration: RunConfiguration = {
  ...smallRun,
  shards: 3,
  epochs: 3,
  checkpointSteps: 3,
  snapshotSteps: 100,
};

/** Runs all workers to the end; they must agree on all that they tell. */
async function run(
  engine: Engine,
  change: Partial<RunConfiguration> = {},
  { workers = 1, from, stopAfter }: { workers?: number; from?: Saved; stopAfter?: number } = {},
): Promise<Run> {
  const ran = { ...configuration, ...change };
  const lanesPerShard = ran.lanes / ran.shards;
  const start = from?.position ?? { step: 0, epoch: 0, planStep: 0 };
  const runs: Run[] = [];
  const lanesOfAll: Map<number, Float32Array>[] = [];
  const dataset = noiseDataset();
  const model = smallModel(ran);
  await withTrainers(engine, workers, async (members) => {
    await Promise.all(members.map(async ({ trainer, shards, rank }) => {
      const ownLanes = shards.flatMap((shard) =>
        Array.from({ length: lanesPerShard }, (_, row) => shard * lanesPerShard + row)
      );
      if (from) {
        trainer.restore(from.position.step, from.parameters, from.slots);
        trainer.states.writeLanes(new Map(ownLanes.map((lane) => [lane, from.lanes.get(lane)!])));
      }
      const events: string[] = [];
      const losses = new Map<number, number>();
      const validations = new Map<number, readonly ShardLoss[]>();
      const snapshots: Saved[] = [];
      const end = await runTraining({
        configuration: ran,
        dataset,
        window: model.window,
        trainer,
        shards,
        start,
        skipUpTo: 0,
        learningRate: () => 0.01,
        clock: new FakeClock(),
        hooks: {
          // The last worker alone was asked to.
          stopRequested: () => rank === workers - 1 && trainer.step + 1 === stopAfter,
          progress({ position, loss, planSteps, frames }) {
            assert.ok(position.planStep <= planSteps && frames > 0);
            losses.set(position.step, loss);
            events.push(`step ${position.step}`);
          },
          async validate({ step }) {
            const { lanes } = ran;
            const split = {
              split: "validation",
              lanes,
              lanesPerShard,
              shards,
              aheadMax: 4,
            } as const;
            validations.set(step, await evaluateSplit({ trainer, model, dataset, ...split }));
            events.push(`validated ${step}`);
          },
          picture({ step }) {
            events.push(`picture ${step}`);
            return Promise.resolve();
          },
          rollback: () => assert.fail("every step is finite"),
          snapshot(position, save) {
            const { step, epoch, planStep } = position;
            assert.equal(step, trainer.step);
            events.push(`${save ? "checkpoint" : "snapshot"} ${step} (${epoch}, ${planStep})`);
            snapshots.push({
              position,
              parameters: trainer.readParameters(),
              slots: trainer.readSlots(),
              lanes: new Map(ownLanes.map((lane) => [lane, trainer.states.readLane(lane)])),
            });
            return Promise.resolve();
          },
        },
      });
      const parameters = trainer.readParameters();
      runs.push({ end, events, losses, validations, snapshots, parameters });
    }));
  }, { configuration: ran, firstStep: start.step + 1 });
  const [first, ...others] = runs;
  for (const other of others) {
    for (const field of ["end", "events", "losses", "parameters"] as const) {
      assert.deepEqual(other[field], first[field], field);
    }
  }
  // A snapshot is made of all workers' lanes.
  first.snapshots.forEach((_, index) => {
    lanesOfAll.push(new Map(runs.flatMap(({ snapshots }) => [...snapshots[index].lanes])));
  });
  const snapshots = first.snapshots.map((saved, index) => ({
    ...saved,
    lanes: lanesOfAll[index],
  }));
  return { ...first, snapshots };
}

testOnEngines("runTraining refuses a position beyond its epoch's plan", async (open) => {
  const engine = await open(1);
  const { snapshots } = await run(engine, { epochs: 1 });
  const from = { ...snapshots[1], position: { ...snapshots[1].position, planStep: 5 } };
  await assert.rejects(run(engine, {}, { from }), {
    message: "Cannot go on from step 3: it stands at step 5 of epoch 0, whose plan has 4; go on " +
      "from another checkpoint",
  });
});

testOnEngines(
  "runTraining validates and saves at each epoch's end, and saves in between",
  async (open) => {
    const engine = await open(1);
    const plan = planTraining(
      { configuration, dataset: noiseDataset(), window: smallModel(configuration).window },
      0,
    );
    assert.equal(plan.steps, 4, "the small run has another plan than these tests were written for");
    const { end, events, validations } = await run(engine);
    assert.deepEqual(events, [
      "checkpoint 0 (0, 0)",
      "step 1",
      "step 2",
      "step 3",
      "checkpoint 3 (0, 3)",
      "step 4",
      "validated 4",
      "checkpoint 4 (1, 0)",
      "step 5",
      "step 6",
      "checkpoint 6 (1, 2)",
      "step 7",
      "step 8",
      "validated 8",
      "checkpoint 8 (2, 0)",
      "step 9",
      "checkpoint 9 (2, 1)",
      "step 10",
      "step 11",
      // Step 12 is due as well, but ends an epoch: one checkpoint is enough.
      "step 12",
      "validated 12",
      "checkpoint 12 (3, 0)",
    ]);
    assert.deepEqual(end, { reason: "done", position: { step: 12, epoch: 3, planStep: 0 } });
    assert.notDeepEqual(validations.get(4), validations.get(8));
  },
);

Deno.test("planTraining plays sequences in a new order each epoch, or always in the same", () => {
  const order = (shuffle: boolean, epoch: number) => {
    const { window } = smallModel(configuration);
    const changed = { ...configuration, shuffle };
    const plan = planTraining({ configuration: changed, dataset: noiseDataset(), window }, epoch);
    return JSON.stringify(Array.from({ length: plan.steps }, (_, step) => plan.tasks(step)));
  };
  assert.notEqual(order(true, 0), order(true, 1));
  assert.equal(order(false, 0), order(false, 1));
});

testOnEngines(
  "runTraining asks for pictures where they are due, but not for the one of the run's end",
  async (open) => {
    const engine = await open(1);
    const pictures = async (change: Partial<RunConfiguration>) =>
      (await run(engine, change)).events.filter((event) => event.startsWith("picture"));
    assert.deepEqual(await pictures({ imageSteps: 4 }), ["picture 4", "picture 8"]);
    assert.deepEqual(await pictures({ imageSteps: 3, epochs: null, steps: 6 }), ["picture 3"]);
    assert.deepEqual(await pictures({ epochs: 1 }), []);
  },
);

testOnEngines(
  "runTraining takes snapshots between checkpoints, and goes on from them",
  async (open) => {
    const engine = await open(1);
    const whole = await run(engine, { snapshotSteps: 2 }, { workers: 2 });
    const taken = whole.events.filter((event) => !event.startsWith("step"));
    assert.deepEqual(taken, [
      "checkpoint 0 (0, 0)",
      "snapshot 2 (0, 2)",
      "checkpoint 3 (0, 3)",
      "validated 4",
      // Each of steps 4, 6, 8 and 12 is due for a snapshot as well: one of them is enough.
      "checkpoint 4 (1, 0)",
      "checkpoint 6 (1, 2)",
      "validated 8",
      "checkpoint 8 (2, 0)",
      "checkpoint 9 (2, 1)",
      "snapshot 10 (2, 2)",
      "validated 12",
      "checkpoint 12 (3, 0)",
    ]);
    for (const from of whole.snapshots.filter(({ position }) => [2, 10].includes(position.step))) {
      const { parameters, validations } = await run(engine, {}, { workers: 3, from });
      assert.deepEqual(parameters, whole.parameters, `from step ${from.position.step}`);
      assert.ok(validations.has(12));
    }
  },
);

testOnEngines("runTraining ends after --steps, within an epoch or at its end", async (open) => {
  const engine = await open(1);
  const within = await run(engine, { steps: 3, epochs: null });
  assert.deepEqual(within.events.slice(-3), ["step 3", "validated 3", "checkpoint 3 (0, 3)"]);
  assert.deepEqual(within.end.position, { step: 3, epoch: 0, planStep: 3 });
  const atEnd = await run(engine, { steps: 4, epochs: null });
  assert.deepEqual(atEnd.events.slice(-3), ["step 4", "validated 4", "checkpoint 4 (1, 0)"]);
  // The epochs end first, or the steps do.
  const short = await run(engine, { steps: 100, epochs: 1 });
  assert.equal(short.end.position.step, 4);
  const beyond = await run(engine, { steps: 7, epochs: null });
  assert.deepEqual(beyond.end, { reason: "done", position: { step: 7, epoch: 1, planStep: 3 } });
});

testOnEngines(
  "runTraining goes on from any checkpoint to the same bits, on other workers",
  async (open) => {
    const engine = await open(1);
    const whole = await run(engine, {}, { workers: 2 });
    const alone = await run(engine);
    assert.deepEqual(alone.parameters, whole.parameters);
    for (const [index, from] of whole.snapshots.entries()) {
      const workers = 1 + index % 3;
      const { end, losses, validations, parameters } = await run(engine, {}, { workers, from });
      const what = `from step ${from.position.step} on ${workers} workers`;
      assert.deepEqual(end, whole.end, what);
      for (const [step, loss] of losses) assert.equal(loss, whole.losses.get(step), what);
      assert.equal(losses.size, 12 - from.position.step, what);
      assert.deepEqual(parameters, whole.parameters, what);
      if (workers === 1 && from.position.step < 12) {
        assert.deepEqual(validations.get(12), alone.validations.get(12), what);
      }
    }
  },
);

testOnEngines(
  "runTraining stops after the step that one worker asks for, and goes on from there",
  async (open) => {
    const engine = await open(1);
    const whole = await run(engine);
    for (const stopAfter of [1, 3, 4, 12]) {
      const stopped = await run(engine, {}, { workers: 3, stopAfter });
      assert.equal(stopped.end.reason, "stopped");
      assert.equal(stopped.end.position.step, stopAfter);
      const { epoch, planStep } = stopped.end.position;
      const last = `checkpoint ${stopAfter} (${epoch}, ${planStep})`;
      assert.deepEqual(stopped.events.slice(-2), [`step ${stopAfter}`, last]);
      const from = stopped.snapshots[stopped.snapshots.length - 1];
      const resumed = await run(engine, {}, { from });
      assert.deepEqual(resumed.parameters, whole.parameters, `stopped after step ${stopAfter}`);
      assert.deepEqual(
        resumed.validations,
        new Map(
          [...whole.validations].filter(([step]) => step >= stopAfter),
        ),
      );
    }
    // Asked for with the last step, it is done.
    const done = await run(engine, { steps: 3, epochs: null }, { stopAfter: 3 });
    assert.equal(done.end.reason, "done");
  },
);

testOnEngines("runTraining goes on to a later end than was first asked for", async (open) => {
  const engine = await open(1);
  const whole = await run(engine);
  const first = await run(engine, { steps: 3, epochs: null });
  const from = first.snapshots[first.snapshots.length - 1];
  const second = await run(engine, { steps: 12, epochs: null }, { from, workers: 2 });
  assert.deepEqual(second.parameters, whole.parameters);
  // What is done already needs no step more.
  const [last] = second.snapshots.slice(-1);
  const again = await run(engine, { steps: 12, epochs: null }, { from: last });
  assert.deepEqual([again.end.reason, again.events, again.parameters], [
    "done",
    [],
    whole.parameters,
  ]);
});

testOnEngines(
  "runTraining lets the event loop go on while it plans very many sequences",
  async (open) => {
    let nowMs = 0;
    let turns = 0;
    let isListed = false;
    const entries = Array.from({ length: 50_000 }, (_, index) => ({ id: `${index}`, frames: 5 }));
    await withTrainers(await open(1), 1, async ([{ trainer, shards }]) => {
      const training = runTraining({
        ...{ configuration, shards, window: smallModel(configuration).window },
        dataset: {
          ...noiseDataset(),
          catalogue() {
            assert.ok(isListed, "the catalogue was made at once");
            return entries;
          },
          async catalogueInTurns(split, epoch, pause) {
            assert.deepEqual([split, epoch], ["train", 0]);
            await pause();
            isListed = true;
            return entries;
          },
        },
        trainer: { ...trainer, trainStep: () => Promise.reject(new Error("the plan is made")) },
        start: { step: 0, epoch: 0, planStep: 0 },
        skipUpTo: 0,
        learningRate: () => 0.01,
        clock: {
          nowMs: () => nowMs += 60,
          after(_, action) {
            turns++;
            queueMicrotask(action);
            return () => {};
          },
        },
        hooks: {
          stopRequested: () => false,
          progress() {},
          validate: () => Promise.resolve(),
          snapshot: () => Promise.resolve(),
          picture: () => Promise.resolve(),
          rollback: () => Promise.reject(new Error("there is nothing to go back to")),
        },
      });
      await assert.rejects(training, /the plan is made/);
    });
    assert.ok(turns > 3, `${turns} turns`);
  },
);
