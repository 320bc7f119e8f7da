import assert from "node:assert/strict";
import { decode } from "fast-png";
import { createRunReport, type RunReport } from "../../coordinator/run_report.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import type { ReadyRequest, StepProgress } from "../../net/messages.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { readMetrics } from "../../report/metrics_log.ts";
import type { PredictedSequence } from "../../report/predicted_sequence.ts";
import { type PredictionPicture, renderPredictions } from "../../report/prediction_picture.ts";
import { FakeClock } from "../support/fake_clock.ts";

const ready: ReadyRequest = {
  engine: "tensorflow",
  engineVersion: "TensorFlow 2.21.0",
  device: "CPU (1 thread)",
  precision: "float32",
  parameterCount: 1214,
  fingerprint: "f00d",
  dataset: "Moving digits",
  frameShape: [64, 64, 1],
  parameters: [{ name: "kernel", shape: [30, 40] }, { name: "bias", shape: [14] }],
  states: [],
  slots: [],
};

function step(planStep: number, change: Partial<StepProgress> = {}): StepProgress {
  return {
    generation: 1,
    step: planStep,
    epoch: 0,
    planStep,
    planSteps: 4,
    loss: 0.5 / planStep,
    epochLoss: 0.7 / planStep,
    learningRate: 0.001,
    frames: 120,
    fault: "",
    seconds: 2,
    paddedShare: 0.25,
    ...change,
  };
}

interface Opened {
  readonly report: RunReport;
  readonly folder: string;
  readonly clock: FakeClock;
  /** Lines on the screen, where no line is redrawn. */
  lines(): string[];
}

async function withReport(
  run: (opened: Opened) => Promise<void> | void,
  change: Partial<RunConfiguration> = {},
  resumedStep = 0,
  folder?: string,
  skippedSteps: readonly number[] = [],
): Promise<void> {
  const ownFolder = folder ?? await Deno.makeTempDir();
  const clock = new FakeClock();
  let written = "";
  const report = await createRunReport({
    configuration: { ...defaultRun, lanes: 12, shards: 12, epochs: 3, ...change },
    folder: ownFolder,
    resumedStep,
    skippedSteps,
    output: { write: (text) => void (written += text), isTerminal: false, columns: () => 80 },
    clock,
    timeOfDay: () => "2026-03-01T12:00:00.500Z",
  });
  try {
    await run({ report, folder: ownFolder, clock, lines: () => written.split("\n").slice(0, -1) });
  } finally {
    report.close();
    if (!folder) await Deno.remove(ownFolder, { recursive: true });
  }
}

Deno.test("createRunReport says what the run is made of when it begins", async () => {
  await withReport(({ report, lines }) => {
    report.joined(1, 2);
    report.joined(2, 2);
    report.started(ready, 0);
    assert.deepEqual(lines(), [
      "workers 1/2",
      "Moving digits",
      "convlstm, 1,214 parameters, 12 lanes in 12 shards, windows of 10 frames",
      "2 workers × CPU (1 thread), TensorFlow 2.21.0, float32, 1 thread",
    ]);
    report.started(ready, 40);
    assert.equal(lines().at(-1), "Resumed at step 40");
  }, { workers: 2 });
});

Deno.test("createRunReport tells the windows of the network, not those of --window", async () => {
  const told = [
    [{ frames: 17, predictions: 5 }, "windows of 17 frames, 5 of them predicted"],
    [{ frames: 10, predictions: 10 }, "windows of 10 frames"],
    [{ frames: 1, predictions: 1 }, "windows of 1 frame"],
  ] as const;
  for (const [window, words] of told) {
    await withReport(({ report, lines }) => {
      report.started({ ...ready, window }, 0);
      const line = `convlstm, 1,214 parameters, 12 lanes in 12 shards, ${words}`;
      assert.ok(lines().includes(line), lines().join("\n"));
    });
  }
});

Deno.test("createRunReport shows the loss alone where nothing is forecast, and the accuracy of classes", async () => {
  await withReport(async ({ report, folder, lines }) => {
    report.validated({ step: 4, epoch: 0, validationLoss: 0.25 });
    assert.equal(lines().at(-1), "validation 0.2500");
    report.validated({ step: 8, epoch: 1, validationLoss: 0.125, accuracy: 0.875 });
    assert.equal(lines().at(-1), "validation 0.1250 · accuracy 87.5 %");
    assert.deepEqual([report.figures().persistenceLoss, report.figures().accuracy], [null, 0.875]);
    assert.deepEqual(await readMetrics(`${folder}/metrics.jsonl`), [
      { step: 4, validationLoss: 0.25 },
      { step: 8, validationLoss: 0.125, accuracy: 0.875 },
    ]);
  });
});

Deno.test("createRunReport shows each epoch's end with its mean rate, and every step in the log", async () => {
  await withReport(async ({ report, folder, clock, lines }) => {
    for (const planStep of [1, 2, 3, 4]) {
      // The first step traces its functions, so it takes longer and is left out of the rate.
      const seconds = planStep === 1 ? 10 : 2;
      clock.advance(seconds * 1000);
      report.progress(step(planStep, { seconds }));
    }
    const ends = lines().filter((line) => line.startsWith("epoch 1/3 · loss"));
    assert.deepEqual(ends, ["epoch 1/3 · loss 0.1750 · 60 frames/s · 0:16"]);
    report.validated({ step: 4, epoch: 0, validationLoss: 0.01, persistenceLoss: 0.04 });
    assert.equal(
      lines().at(-1),
      "validation 0.01000 · repeating the last frame 0.04000 · 25.0 % of it",
    );
    report.checkpointed(4, []);
    assert.deepEqual(report.figures(), {
      loss: 0.125,
      framesPerSecond: 60,
      secondsPerStep: 2,
      paddedShare: 0.25,
      validationLoss: 0.01,
      persistenceLoss: 0.04,
      accuracy: null,
      skippedSteps: 0,
    });
    const metrics = await readMetrics(`${folder}/metrics.jsonl`);
    assert.deepEqual(metrics.map((line) => line.step), [1, 2, 3, 4, 4, 4]);
    assert.deepEqual(metrics[1], {
      step: 2,
      epoch: 0,
      loss: 0.25,
      learningRate: 0.001,
      framesPerSecond: 60,
      secondsPerStep: 2,
    });
    assert.deepEqual(metrics.slice(4), [
      { step: 4, validationLoss: 0.01, persistenceLoss: 0.04 },
      { step: 4, checkpoint: true },
    ]);
  });
});

Deno.test("createRunReport counts down to --steps where that ends the run within an epoch", async () => {
  await withReport(({ report, clock, lines }) => {
    clock.advance(2000);
    report.progress(step(2, { step: 12, planSteps: 100 }));
    assert.match(lines()[0], /^epoch 1 · step 2\/5 · loss 0\.2500 · 60 frames\/s · 0:06 left$/);
  }, { steps: 15, epochs: null });
});

Deno.test("createRunReport has no figures before the first step, and no rate after one", async () => {
  await withReport(({ report }) => {
    const { skippedSteps, ...others } = report.figures();
    assert.equal(skippedSteps, 0);
    assert.ok(Object.values(others).every((figure) => figure === null));
    report.progress(step(1));
    const { loss, framesPerSecond, secondsPerStep } = report.figures();
    assert.deepEqual([loss, framesPerSecond, secondsPerStep], [0.5, null, null]);
  });
});

Deno.test("createRunReport forgets what a new generation does again", async () => {
  await withReport(async ({ report, folder, lines }) => {
    report.started(ready, 0);
    report.progress(step(1));
    report.progress(step(2, { fault: "its loss is NaN", loss: NaN }));
    report.progress(step(3));
    assert.equal(report.figures().skippedSteps, 1);
    assert.ok(lines().includes("Skipped step 2: its loss is NaN"));
    report.tell('Lost worker "b": it was killed; going on with 1');
    report.rewound(1);
    assert.equal(report.figures().skippedSteps, 0, "step 2 has yet to be done again");
    for (const planStep of [2, 3]) report.progress(step(planStep, { loss: 0.25 }));
    const metrics = await readMetrics(`${folder}/metrics.jsonl`);
    assert.deepEqual(metrics.map((line) => line.step), [1, 2, 3]);
    assert.deepEqual(metrics.slice(1).map((line) => line.loss), [0.25, 0.25]);
    assert.ok(lines().includes('Lost worker "b": it was killed; going on with 1'));
  });
});

Deno.test("createRunReport goes on where the log cannot be cut back, and warns of it", async () => {
  await withReport(async ({ report, folder, lines }) => {
    report.progress(step(1));
    await Deno.rename(`${folder}/metrics.jsonl`, `${folder}/moved.jsonl`);
    report.rewound(0);
    assert.match(
      lines().at(-1)!,
      /^Warning: Cannot write .*metrics\.jsonl: .*; figures of some steps are lost$/,
    );
    report.progress(step(2));
    assert.equal((await readMetrics(`${folder}/moved.jsonl`)).at(-1)!.step, 2);
  });
});

Deno.test("createRunReport counts what an earlier life skipped, up to where it resumes", async () => {
  await withReport(
    ({ report }) => {
      report.progress(step(2, { step: 12, fault: "its loss is NaN", loss: NaN }));
      assert.equal(report.figures().skippedSteps, 3);
    },
    {},
    10,
    undefined,
    [3, 10, 12, 15],
  );
});

Deno.test("createRunReport warns once of each thing", async () => {
  await withReport(({ report, lines }) => {
    report.warn("the disk is slow");
    report.warn("the disk is slow");
    report.warn("the disk is full");
    report.stopping();
    assert.deepEqual(lines(), [
      "Warning: the disk is slow",
      "Warning: the disk is full",
      "Stopping after this step, with a checkpoint",
    ]);
  });
});

Deno.test("createRunReport goes on with the log of a resumed run, without the steps that were lost", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await withReport(
      ({ report }) => [1, 2, 3].forEach((at) => report.progress(step(at))),
      {},
      0,
      folder,
    );
    await withReport(({ report }) => report.progress(step(3, { loss: 7 })), {}, 2, folder);
    const losses = (await readMetrics(`${folder}/metrics.jsonl`)).map((
      { step, loss },
    ) => [step, loss]);
    assert.deepEqual(losses, [[1, 0.5], [2, 0.25], [3, 7]]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("createRunReport draws predictions into the run's folder", async () => {
  await withReport(async ({ report, folder, lines }) => {
    const [frames, inputFrames, height, width] = [4, 1, 8, 8];
    await report.picture(12, [{
      label: "test/000001",
      frames,
      inputFrames,
      height,
      width,
      truth: new Float32Array(frames * height * width).fill(0.5),
      predictions: new Float32Array((frames - inputFrames) * height * width),
    }], true);
    const path = `${folder}/predictions/step-000012.png`;
    assert.deepEqual(lines(), [`predictions ${path}`]);
    await report.picture(6, [{
      label: "test/000001",
      frames,
      inputFrames,
      height,
      width,
      truth: new Float32Array(frames * height * width),
      predictions: new Float32Array((frames - inputFrames) * height * width),
    }], false);
    assert.deepEqual(lines(), [`predictions ${path}`], "one in between takes no line");
    assert.ok((await Deno.stat(`${folder}/predictions/step-000006.png`)).isFile);
    const signature = (await Deno.readFile(path)).slice(0, 8);
    assert.deepEqual([...signature], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  });
});

Deno.test("createRunReport draws answers as answers, not as reconstructions, and classes in their colours", async () => {
  await withReport(async ({ report, folder }) => {
    const [frames, height, width] = [2, 4, 4];
    const sequence = (values: readonly number[]) => ({
      ...{ label: "test/0", frames, inputFrames: 0, height, width, channels: 1 },
      truth: Float32Array.from({ length: 32 }, (_, i) => values[i % values.length]),
      predictions: Float32Array.from({ length: 32 }, (_, i) => values[(i >> 1) % values.length]),
      seen: new Float32Array(32).fill(0.5),
    });
    const title = "moving-mnist, convlstm, step 1";
    const drawn = async (sequences: PredictedSequence[], classes: string[]) => {
      await report.picture(1, sequences, true, { classes });
      return decode(await Deno.readFile(`${folder}/predictions/step-000001.png`)).data;
    };
    const expected = (picture: Omit<PredictionPicture, "title" | "predicts">) =>
      decode(renderPredictions({ ...picture, title, predicts: "answer" })).data;
    const images = [sequence([0.25, 0.75])];
    assert.deepEqual(await drawn(images, []), expected({ sequences: images, scale: "gray" }));
    const maps = [sequence([0, 1, 2])];
    const classes = ["ground", "ball", "wall"];
    assert.deepEqual(
      await drawn(maps, classes),
      expected({ sequences: maps, scale: "classes", classes }),
    );
  });
});

Deno.test("createRunReport writes events for TensorBoard, which a resumed run goes on with", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await withReport(
      ({ report }) => {
        report.started(ready, 0);
        report.progress(step(1));
        report.validated({ step: 1, epoch: 0, validationLoss: 0.25, persistenceLoss: 0.5 });
        const values = new Float32Array(4);
        report.checkpointed(1, [{ name: "layer0/kernel", shape: [4], values }]);
      },
      {},
      0,
      folder,
    );
    await withReport(({ report }) => report.progress(step(2)), {}, 1, folder);
    const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
      name.startsWith("events.out.tfevents.")
    ).sort();
    assert.equal(files.length, 2);
    const [first, second] = files.map((name) =>
      new TextDecoder("latin1").decode(Deno.readFileSync(`${folder}/${name}`))
    );
    const tags = ["training/loss", "validation/validationLoss", "layer0/kernel", "optimizer.name"];
    for (const tag of tags) assert.ok(first.includes(tag), tag);
    assert.ok(second.includes("training/framesPerSecond"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("createRunReport measures an epoch anew once the run has gone back into it", async () => {
  await withReport(({ report, clock, lines }) => {
    const make = (planStep: number) => {
      clock.advance(2_000);
      report.progress(step(planStep));
    };
    make(1);
    // Waits for a worker.
    clock.advance(600_000);
    report.rewound(0);
    for (const planStep of [1, 2, 3, 4]) make(planStep);
    const told = lines().findLast((line) => /^epoch 1\/3 · loss/.test(line))!;
    assert.match(told, / · 0:08$/);
  });
});
