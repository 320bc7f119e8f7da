import assert from "node:assert/strict";
import type { SequenceEntry } from "../../datasets/dataset.ts";
import {
  type Plan,
  planEpoch,
  planEpochInTurns,
  type PlanOptions,
  requireWindows,
  type WindowTask,
} from "../../datasets/plan.ts";
import { validPredictions, windowCount, type WindowShape } from "../../datasets/window_shape.ts";
import { random } from "../../net/random.ts";

const seeds = Array.from({ length: 300 }, (_, seed) => seed);

/** Any catalogue, window and number of lanes: short sequences and partial windows among them. */
function randomOptions(seed: number): PlanOptions {
  const draw = random("plan test", seed);
  const predictions = 1 + draw.integer(8);
  const context = 1 + draw.integer(4);
  const carriesState = draw.uniform() < 0.7;
  const window: WindowShape = {
    frames: context + predictions,
    advance: carriesState ? predictions : context + predictions,
    predictions,
    carriesState,
  };
  const framesMax = 1 + draw.integer(60);
  const frames = Array.from({ length: 1 + draw.integer(40) }, () => draw.integer(framesMax + 1));
  // At least one that can be played.
  frames[draw.integer(frames.length)] = window.frames;
  return {
    sequences: catalogue(frames),
    window,
    lanes: 1 + draw.integer(15),
    seed: draw.integer(1000),
    epoch: draw.integer(10),
    shuffle: draw.uniform() < 0.7,
  };
}

function catalogue(frames: readonly number[]): SequenceEntry[] {
  return frames.map((count, index) => ({ id: `sequence ${index}`, frames: count }));
}

/** What each lane plays until it runs out. */
function timelines(plan: Plan): WindowTask[][] {
  const steps = Array.from({ length: plan.steps }, (_, step) => plan.tasks(step));
  return Array.from({ length: plan.lanes }, (_, lane) => steps.map((tasks) => tasks[lane]));
}

function isPlayed({ sequence }: WindowTask): boolean {
  return sequence >= 0;
}

function allTasks(plan: Plan): readonly WindowTask[][] {
  return Array.from({ length: plan.steps }, (_, step) => [...plan.tasks(step)]);
}

Deno.test("planEpoch plays every window of every playable sequence exactly once", () => {
  for (const seed of seeds) {
    const options = randomOptions(seed);
    const plan = planEpoch(options);
    const { sequences, window } = options;
    const played = allTasks(plan).flat().filter(isPlayed)
      .map(({ sequence, offset }) => `${sequence}@${offset}`);
    const wanted = sequences.flatMap(({ frames }, sequence) =>
      Array.from(
        { length: windowCount(frames, window) },
        (_, index) => `${sequence}@${index * window.advance}`,
      )
    );
    assert.deepEqual(played.sort(), wanted.sort(), `seed ${seed}`);
    const unused = sequences.filter(({ frames }) =>
      frames < window.frames - window.predictions + 1
    );
    assert.equal(plan.unusedSequences, unused.length, `seed ${seed}`);
    assert.equal(plan.lanes, options.lanes);
    assert.equal(plan.tasks(0).length, options.lanes);
  }
});

Deno.test("planEpoch plays a sequence on one lane, window after window, and resets at its first", () => {
  for (const seed of seeds) {
    const options = randomOptions(seed);
    const { sequences, window } = options;
    for (const lane of timelines(planEpoch(options))) {
      const end = lane.findIndex((task) => !isPlayed(task));
      const played = end < 0 ? lane : lane.slice(0, end);
      // What has run out stays so.
      for (const task of lane.slice(played.length)) {
        assert.deepEqual([task.sequence, task.frames, task.validPredictions], [-1, 0, 0]);
      }
      let before: WindowTask | undefined;
      for (const task of played) {
        const goesOn = before?.sequence === task.sequence;
        const expected = goesOn ? before!.offset + window.advance : 0;
        assert.equal(task.offset, expected, `seed ${seed}`);
        assert.equal(task.reset, !goesOn || !window.carriesState, `seed ${seed}`);
        if (before && !goesOn) {
          const windows = windowCount(sequences[before.sequence].frames, window);
          assert.equal(before.offset, (windows - 1) * window.advance, `seed ${seed}: cut short`);
        }
        before = task;
      }
    }
  }
});

Deno.test("planEpoch reads only frames that are there and weighs only those predicted", () => {
  for (const seed of seeds) {
    const options = randomOptions(seed);
    const plan = planEpoch(options);
    const { sequences, window, lanes } = options;
    let predicted = 0;
    allTasks(plan).forEach((tasks, step) => {
      let weights = 0;
      for (const task of tasks.filter(isPlayed)) {
        const { frames } = sequences[task.sequence];
        assert.ok(task.frames >= 1 && task.frames <= window.frames);
        assert.equal(task.frames, Math.min(window.frames, frames - task.offset));
        const index = task.offset / window.advance;
        assert.equal(task.validPredictions, validPredictions(frames, window, index));
        // A prediction counts where both its input and its target were read.
        const context = window.frames - window.predictions;
        assert.equal(task.validPredictions, task.frames - context);
        weights += task.validPredictions;
      }
      assert.ok(weights > 0, `seed ${seed}: step ${step} has nothing to learn from`);
      assert.equal(plan.weightSum(step), weights, `seed ${seed}`);
      predicted += weights;
    });
    const slots = plan.steps * lanes * window.predictions;
    assert.ok(Math.abs(plan.paddedShare - (slots - predicted) / slots) < 1e-12, `seed ${seed}`);
    assert.ok(plan.paddedShare >= 0 && plan.paddedShare < 1);
  }
});

Deno.test("planEpoch lets lanes end together: none would be lighter without its shortest", () => {
  for (const seed of seeds) {
    const options = randomOptions(seed);
    const windowsOf = ({ sequence }: WindowTask) =>
      windowCount(options.sequences[sequence].frames, options.window);
    const lanes = timelines(planEpoch(options)).map((lane) => lane.filter(isPlayed));
    const lightest = Math.min(...lanes.map((lane) => lane.length));
    for (const lane of lanes) {
      // Dealt longest first to the lightest lane, each lane was that before its last sequence.
      const shortest = Math.min(...lane.map(windowsOf));
      assert.ok(
        lane.length === 0 || lane.length - shortest <= lightest,
        `seed ${seed}: ${lanes.map(({ length }) => length)}`,
      );
    }
  }
});

Deno.test("planEpoch is a pure function of its arguments", () => {
  for (const seed of seeds.slice(0, 50)) {
    const options = randomOptions(seed);
    const before = structuredClone(options);
    const plan = planEpoch(options);
    assert.deepEqual(options, before, "the arguments have changed");
    // As another process would, from a catalogue of its own and with other plans made in between.
    planEpoch(randomOptions(seed + 1));
    assert.deepEqual(allTasks(planEpoch(structuredClone(options))), allTasks(plan));
    assert.deepEqual(allTasks(plan), allTasks(plan), "asked again, it says something else");
  }
});

Deno.test("planEpoch plans what it always has: checkpoints of earlier versions go on with it", async () => {
  const plans = seeds.map((seed) => {
    const plan = planEpoch(randomOptions(seed));
    return [plan.paddedShare, plan.unusedSequences, allTasks(plan)];
  });
  const text = new TextEncoder().encode(JSON.stringify(plans));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex();
  assert.equal(digest, "f714e0c07dc9c929622e84fdd8d17404716915779e2b31851e23c629f40292b2");
});

Deno.test("planEpochInTurns gives the same plan and pauses in between where there is much to plan", async () => {
  let pauses = 0;
  const pause = () => {
    pauses++;
    return Promise.resolve();
  };
  for (const seed of seeds.slice(0, 100)) {
    const options = randomOptions(seed);
    const plan = await planEpochInTurns(options, pause);
    assert.deepEqual(allTasks(plan), allTasks(planEpoch(options)));
  }
  assert.equal(pauses, 0);
  const draw = random("many sequences");
  const options = {
    sequences: catalogue(Array.from({ length: 100_000 }, () => draw.integer(40))),
    window: { frames: 11, advance: 10, predictions: 10, carriesState: true },
    ...{ lanes: 4, seed: 1, epoch: 0, shuffle: true },
  };
  const [plan, expected] = [await planEpochInTurns(options, pause), planEpoch(options)];
  // Sequences are looked at, ordered, dealt and scheduled.
  assert.ok(pauses >= 4 * 5, `${pauses} pauses`);
  assert.equal(plan.paddedShare, expected.paddedShare);
  for (let step = 0; step < plan.steps; step += 97) {
    assert.deepEqual(plan.tasks(step), expected.tasks(step));
  }
  await assert.rejects(planEpochInTurns({ ...options, sequences: [] }, pause), RangeError);
});

Deno.test("planEpoch shuffles anew for each seed and epoch, and for validation never", () => {
  const sequences = catalogue(Array.from({ length: 64 }, () => 21));
  const window = { frames: 11, advance: 10, predictions: 10, carriesState: true };
  const plan = (seed: number, epoch: number, shuffle: boolean) =>
    JSON.stringify(allTasks(planEpoch({ sequences, window, lanes: 4, seed, epoch, shuffle })));
  const shuffled = [plan(1, 0, true), plan(1, 1, true), plan(2, 0, true), plan(2, 1, true)];
  assert.equal(new Set(shuffled).size, 4);
  const fixed = [plan(1, 0, false), plan(1, 1, false), plan(2, 0, false)];
  assert.equal(new Set(fixed).size, 1);
});

Deno.test("planEpoch without shuffling plays fixed groups of sequences, slice after slice", () => {
  const sequences = catalogue(Array.from({ length: 12 }, () => 30));
  const window = { frames: 10, advance: 10, predictions: 10, carriesState: true };
  for (const epoch of [0, 1, 7]) {
    const plan = planEpoch({ sequences, window, lanes: 4, seed: epoch, epoch, shuffle: false });
    assert.equal(plan.steps, 9);
    allTasks(plan).forEach((tasks, step) => {
      const [group, slice] = [Math.floor(step / 3), step % 3];
      tasks.forEach((task, lane) => {
        assert.deepEqual(task, {
          sequence: 4 * group + lane,
          offset: 10 * slice,
          frames: 10,
          reset: slice === 0,
          validPredictions: 10,
        });
      });
    });
  }
});

Deno.test("planEpoch shuffles what each lane plays, so that an epoch does not end on the shortest", () => {
  const lengths = Array.from({ length: 60 }, (_, index) => 11 + 10 * (index % 6));
  const window = { frames: 11, advance: 10, predictions: 10, carriesState: true };
  const options = { sequences: catalogue(lengths), window, lanes: 2, seed: 3, epoch: 0 };
  const course = timelines(planEpoch({ ...options, shuffle: true }))[0]
    .filter(({ reset }) => reset).filter(isPlayed).map(({ sequence }) => lengths[sequence]);
  assert.notDeepEqual(course, [...course].sort((a, b) => b - a));
  assert.deepEqual(
    timelines(planEpoch({ ...options, shuffle: false }))[0].filter(({ reset }) => reset)
      .map(({ sequence }) => lengths[sequence]),
    [...course].sort((a, b) => b - a),
  );
});

Deno.test("planEpoch gives one lane all, and leaves lanes beyond the sequences empty", () => {
  const window = { frames: 4, advance: 3, predictions: 3, carriesState: true };
  const sequences = catalogue([6, 3, 1]);
  const common = { sequences, window, seed: 1, epoch: 0, shuffle: false };
  const task = (sequence: number, offset: number, frames: number, reset: boolean) => ({
    sequence,
    offset,
    frames,
    reset,
    validPredictions: frames - 1,
  });
  const one = planEpoch({ ...common, lanes: 1 });
  assert.deepEqual(allTasks(one), [
    [task(0, 0, 4, true)],
    [task(0, 3, 3, false)],
    [task(1, 0, 3, true)],
  ]);
  assert.equal(one.paddedShare, 1 - 7 / 9);
  assert.equal(one.unusedSequences, 1);
  const four = planEpoch({ ...common, lanes: 4 });
  assert.equal(four.steps, 2);
  assert.deepEqual(four.tasks(0).map(({ sequence }) => sequence), [0, 1, -1, -1]);
  assert.deepEqual(four.tasks(1).map(({ sequence }) => sequence), [0, -1, -1, -1]);
  assert.deepEqual([four.weightSum(0), four.weightSum(1)], [5, 2]);
});

Deno.test("requireWindows() says of a split what planEpoch would, without planning it", () => {
  const window = { frames: 11, advance: 10, predictions: 10, carriesState: true };
  requireWindows(catalogue([1, 2]), window, "validation");
  assert.throws(
    () => requireWindows(catalogue([1, 0]), window, "validation"),
    /^RangeError: Cannot plan an epoch of the validation split: none of 2 .* the longest has 1; use/,
  );
  assert.throws(
    () => requireWindows([], window, "test"),
    /^RangeError: Cannot plan an epoch of the test split: there are no sequences in it; leave/,
  );
});

Deno.test("planEpoch says what one window needs where no sequence has it", () => {
  const window = { frames: 11, advance: 10, predictions: 10, carriesState: true };
  const plan = (frames: number[], lanes = 2) =>
    planEpoch({ sequences: catalogue(frames), window, lanes, seed: 1, epoch: 0, shuffle: true });
  const message = (frames: number, longest: number) =>
    `Cannot plan an epoch: none of ${frames} sequences has the 2 frames that one window needs, ` +
    `the longest has ${longest}; use longer sequences or a shorter window`;
  assert.throws(() => plan([]), /^RangeError: Cannot plan an epoch: there are no sequences in/);
  assert.throws(() => plan([1, 0, 1]), { name: "RangeError", message: message(3, 1) });
  // Very many of them, and very many lanes, still end in words or a plan.
  const many = new Array(200_000).fill(1);
  assert.throws(() => plan(many), { name: "RangeError", message: message(200_000, 1) });
  assert.equal(plan([41, 41], 200_000).steps, 4);
});
