import assert from "node:assert/strict";
import type { GenerationClient } from "../../worker/coordinator_client.ts";
import type { RunTrainer } from "../../worker/opened_run.ts";
import { emptyTally } from "../../worker/tally.ts";
import { createSnapshots, restoreSnapshot } from "../../worker/snapshots.ts";

const notAsked = () => assert.fail("not asked for");

/** A trainer of some lanes, whose every value is its step. */
function trainerAt(state: { step: number }, lanes: readonly number[]): RunTrainer {
  const value = (length: number, place: number) =>
    new Float32Array(length).fill(state.step + place);
  return {
    states: {
      readLane(lane) {
        assert.ok(lanes.includes(lane), `lane ${lane} is another worker's`);
        return value(2, lane / 10);
      },
      writeLanes: notAsked,
    },
    step: state.step,
    errorsPerPrediction: 1,
    slotNames: ["m", "v"],
    trainStep: notAsked,
    readParameters: () => value(3, 0),
    readSlots: () => [value(3, 0.25), value(3, 0.5)],
    restore: notAsked,
    dispose() {},
  };
}

/** What is sent, and answers by hand. */
function conversation() {
  const sent: string[] = [];
  const values = new Map<string, Float32Array>();
  const barriers: PromiseWithResolvers<void>[] = [];
  const client: GenerationClient = {
    interrupted: new Promise<never>(() => {}),
    begin: notAsked,
    progress: notAsked,
    validating: notAsked,
    stalled: notAsked,
    accuse: notAsked,
    writeVector(name, vector) {
      sent.push(name);
      values.set(name, vector);
      return Promise.resolve();
    },
    readVector: notAsked,
    snapshot({ step }, save) {
      sent.push(`${save ? "save" : "snapshot"} ${step}`);
      barriers.push(Promise.withResolvers());
      return barriers.at(-1)!.promise;
    },
    rollback: notAsked,
    validation: notAsked,
    picture: notAsked,
    finished: notAsked,
  };
  return { client, sent, values, barriers };
}

function at(step: number) {
  return { step, epoch: 0, planStep: step };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

Deno.test("createSnapshots sends parameters and slots from rank 0, and each one's lanes", async () => {
  const first = conversation();
  const owned = createSnapshots(first.client, trainerAt({ step: 4 }, [0, 1]), 0, [0], 2);
  await owned.write(at(4), false, emptyTally);
  await settle();
  assert.deepEqual(first.sent, [
    "parameters",
    "slot/m",
    "slot/v",
    "lane/0",
    "lane/1",
    "snapshot 4",
  ]);
  const second = conversation();
  const others = createSnapshots(
    second.client,
    trainerAt({ step: 4 }, [2, 3, 6, 7]),
    1,
    [1, 3],
    2,
  );
  await others.write(at(4), false, emptyTally);
  await settle();
  assert.deepEqual(second.sent, ["lane/2", "lane/3", "lane/6", "lane/7", "snapshot 4"]);
});

Deno.test("createSnapshots copies at once and sends meanwhile, one after the other", async () => {
  const { client, sent, values, barriers } = conversation();
  const state = { step: 10 };
  const snapshots = createSnapshots(client, trainerAt(state, [0]), 0, [0], 1);
  await snapshots.write(at(10), false, emptyTally);
  // Training goes on, and what is being sent is what was.
  state.step = 11;
  await settle();
  assert.deepEqual([...values.values()].map((vector) => Math.floor(vector[0])), [10, 10, 10, 10]);
  let isTaken = false;
  const second = snapshots.write(at(20), false, emptyTally).then(() => isTaken = true);
  await settle();
  assert.equal(isTaken, false, "the one before is still under way");
  assert.deepEqual(sent.filter((name) => !name.includes("/")), ["parameters", "snapshot 10"]);
  barriers[0].resolve();
  await second;
  await settle();
  assert.equal(sent.at(-1), "snapshot 20");
  let isSettled = false;
  const settled = snapshots.settled().then(() => isSettled = true);
  await settle();
  assert.equal(isSettled, false);
  barriers[1].resolve();
  await settled;
});

Deno.test("createSnapshots waits for a snapshot that is to be on disk", async () => {
  const { client, barriers } = conversation();
  const snapshots = createSnapshots(client, trainerAt({ step: 5 }, [0]), 0, [0], 1);
  let isSaved = false;
  const saved = snapshots.write(at(5), true, emptyTally).then(() => isSaved = true);
  await settle();
  assert.equal(isSaved, false);
  barriers[0].resolve();
  await saved;

  const failing = snapshots.write(at(6), true, emptyTally);
  await settle();
  barriers[1].reject(new Error("no space left"));
  await assert.rejects(failing, /no space left/);
});

Deno.test("createSnapshots tells of a failure with the next snapshot, or at the end", async () => {
  for (const next of ["write", "settled"] as const) {
    const { client, barriers, sent } = conversation();
    const snapshots = createSnapshots(client, trainerAt({ step: 5 }, [0]), 0, [0], 1);
    await snapshots.write(at(5), false, emptyTally);
    await settle();
    barriers[0].reject(new Error("the generation is over"));
    await settle();
    const { length } = sent;
    await assert.rejects(
      next === "write" ? snapshots.write(at(6), false, emptyTally) : snapshots.settled(),
      /the generation is over/,
    );
    assert.equal(sent.length, length, "nothing more is sent");
  }
});

Deno.test("restoreSnapshot sets parameters, slots by their names, and the owned lanes alone", async () => {
  const restored: unknown[] = [];
  const trainer: RunTrainer = {
    ...trainerAt({ step: 0 }, []),
    states: { readLane: notAsked, writeLanes: (lanes) => void restored.push(new Map(lanes)) },
    restore: (...values) => void restored.push(values),
  };
  const vector = (name: string) =>
    new Float32Array([name.length, name.charCodeAt(name.length - 1)]);
  const client = {
    ...conversation().client,
    readVector: (name: string) => Promise.resolve(vector(name)),
  };
  await restoreSnapshot(client, trainer, 30, [1, 2], 2);
  assert.deepEqual(restored, [
    [30, vector("parameters"), [vector("slot/m"), vector("slot/v")]],
    new Map([2, 3, 4, 5].map((lane) => [lane, vector(`lane/${lane}`)])),
  ]);
});
