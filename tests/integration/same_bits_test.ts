import assert from "node:assert/strict";
import { natsServerMissing } from "../support/nats_server.ts";
import { engine, inFolder, run, smallRun, trained } from "./command.ts";

const ignore = natsServerMissing;

Deno.test({
  name: "train --json prints one line with every figure, and nothing else, on standard output",
  ignore,
  fn: inFolder(async (cwd) => {
    const args = [...smallRun, "--steps", "6", "--workers", "2", "--out", "a run", "--json"];
    args.push("--images-every", "4");
    const { code, stdout, stderr } = await run("train", args, { cwd });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^\{.*\}\n$/);
    const figures = JSON.parse(stdout);
    const { loss, device, framesPerSecond, secondsPerStep, validationLoss, persistenceLoss } =
      figures;
    for (const figure of [loss, framesPerSecond, secondsPerStep, validationLoss, persistenceLoss]) {
      assert.ok(figure > 0);
    }
    assert.match(device, /CPU|GPU/);
    assert.match(figures.parametersSha256, /^[0-9a-f]{64}$/);
    assert.deepEqual(figures, {
      run: "a run",
      steps: 6,
      loss,
      validationLoss,
      persistenceLoss,
      parametersSha256: figures.parametersSha256,
      workers: 2,
      engine,
      device,
      precision: "float32",
      threads: 1,
      framesPerSecond,
      secondsPerStep,
      paddedShare: 0,
      restarts: 0,
      skippedSteps: 0,
    });
    assert.match(
      stderr,
      /\npredictions a run\/predictions\/step-000006\.png\ntraining curves a run\/training\.png\nDone: a run\n$/,
    );
    const files = [...Deno.readDirSync(`${cwd}/a run`)].map(({ name }) => name).sort();
    const events = files.findIndex((name) =>
      /^events\.out\.tfevents\.\d{10}\.lockstep$/.test(name)
    );
    assert.ok(events >= 0, "TensorBoard's events");
    assert.deepEqual(files.toSpliced(events, 1), [
      "checkpoints",
      "journal.jsonl",
      "metrics.jsonl",
      "predictions",
      "run.json",
      "training.png",
    ]);
    const pictures = [...Deno.readDirSync(`${cwd}/a run/predictions`)].map(({ name }) => name);
    assert.deepEqual(pictures.sort(), ["step-000004.png", "step-000006.png"]);
    const manifest = JSON.parse(
      await Deno.readTextFile(`${cwd}/a run/checkpoints/step-000006/manifest.json`),
    );
    assert.equal(manifest.parametersSha256, figures.parametersSha256);
  }),
});

Deno.test({
  name: "train gives the same bits with any number of workers and threads, and after a resume",
  ignore,
  fn: inFolder(async (cwd) => {
    const steps = (count: number) => [...smallRun, "--steps", `${count}`];
    const sha = async (...args: string[]) => (await trained(args, { cwd })).parametersSha256;
    const expected = await sha(...steps(7), "--workers", "1", "--out", "1");
    assert.equal(await sha(...steps(7), "--workers", "3", "--out", "3"), expected);
    assert.equal(await sha(...steps(7), "--workers", "4", "--out", "4"), expected);
    if (engine === "tensorflow") {
      const args = ["--workers", "2", "--threads", "2", "--out", "threads"];
      assert.equal(await sha(...steps(7), ...args), expected);
    }
    // Step 5 is in the middle of an epoch, where lanes carry state from window to window.
    await trained([...steps(5), "--workers", "3", "--out", "resumed"], { cwd });
    const resumed = ["--resume", "--steps", "7", "--workers", "2", "--out", "resumed"];
    assert.equal(await sha(...resumed), expected);
    assert.notEqual(
      await sha(...steps(7), "--seed", "2", "--workers", "1", "--out", "s"),
      expected,
    );
  }),
});

Deno.test({
  name: "train gives the same bits with any number of workers where data miss values",
  ignore,
  fn: inFolder(async (cwd) => {
    await Deno.mkdir(`${cwd}/sevir`);
    const fixture = new URL("../fixtures/missing/sevir/vil_u1.h5", import.meta.url);
    await Deno.copyFile(fixture, `${cwd}/sevir/vil.h5`);
    const run = [
      ...["--engine", engine, "--dataset", "sevir", "--data", "sevir", "--filters", "2"],
      ...["--dataset-options", "rows=8,columns=8", "--lanes", "3", "--shards", "3"],
      ...["--window", "2"],
    ];
    const shaOf = async (...args: string[]) => (await trained(args, { cwd })).parametersSha256;
    const expected = await shaOf(...run, "--steps", "5", "--workers", "1", "--out", "1");
    assert.equal(await shaOf(...run, "--steps", "5", "--workers", "2", "--out", "2"), expected);
    assert.equal(await shaOf(...run, "--steps", "5", "--workers", "3", "--out", "3"), expected);
    await trained([...run, "--steps", "3", "--workers", "3", "--out", "resumed"], { cwd });
    const resumed = ["--resume", "--steps", "5", "--workers", "2", "--out", "resumed"];
    assert.equal(await shaOf(...resumed), expected);
  }),
});
