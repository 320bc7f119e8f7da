import assert from "node:assert/strict";
import { planTraining, runTraining } from "../../worker/run_training.ts";
import { trainAlone } from "../../worker/train_alone.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

testOnEngines(
  "trainAlone() has the weights of two workers with as many lanes and shards",
  async (open) => {
    const engine = await open(1);
    const configuration = { ...smallRun, shards: 3, epochs: 2, snapshotSteps: 100 };
    const [dataset, model] = [noiseDataset(), smallModel(configuration)];
    const { window } = model;
    let together: Float32Array | undefined;
    await withTrainers(engine, 2, async (members) => {
      await Promise.all(members.map(async ({ trainer, shards }) => {
        const nothing = () => Promise.resolve();
        await runTraining({
          ...{ configuration, dataset, window, trainer, shards },
          start: { step: 0, epoch: 0, planStep: 0 },
          skipUpTo: 0,
          learningRate: () => 0.01,
          clock: new FakeClock(),
          hooks: {
            stopRequested: () => false,
            progress() {},
            validate: nothing,
            snapshot: nothing,
            picture: nothing,
            rollback: () => assert.fail("every step is finite"),
          },
        });
        together = trainer.readParameters();
      }));
    }, { configuration });
    const { lanes, shards, epochs, seed, optimizer } = configuration;
    const losses: number[] = [];
    const alone = await trainAlone({
      ...{ engine, dataset, model, lanes, shards, epochs, seed, optimizer },
      onStep: ({ loss }) => void losses.push(loss),
    });
    assert.deepEqual(alone.parameters, together);
    const { steps } = planTraining({ configuration, dataset, window }, 0);
    assert.deepEqual([alone.steps, losses.length], [2 * steps, 2 * steps]);
    assert.ok(alone.validationLoss > 0 && alone.persistenceLoss! > 0);
  },
);
