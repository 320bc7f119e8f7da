import assert from "node:assert/strict";
import { decode } from "fast-png";
import { openNpy } from "../../datasets/npy.ts";
import { categoryColour } from "../../report/colour_scale.ts";
import { npyBytes } from "../datasets/npy_bytes.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, engine, inFolder, run, smallRun, trained } from "./command.ts";

Deno.test({
  name: "evaluate finds the run's own validation loss, and predict the same frames with any window",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    const ended = await trained([...smallRun, "--steps", "3", "--workers", "2"], { cwd });
    const machine = ["--engine", engine];
    const evaluated = await run("evaluate", [...machine, "--split", "validation", "--json"], {
      cwd,
    });
    assert.equal(evaluated.code, 0, evaluated.stderr);
    const result = JSON.parse(evaluated.stdout);
    assert.equal(result.loss, ended.validationLoss);
    assert.equal(result.persistenceLoss, ended.persistenceLoss);
    // Of 4 shards, the processes take two, one and one.
    const shared = await run("evaluate", [
      ...[...machine, "--split", "validation", "--workers", "3", "--thresholds", "0.2", "--json"],
    ], { cwd });
    assert.equal(shared.code, 0, shared.stderr);
    assert.match(
      shared.stderr,
      /step-000003, validation: 4 sequences of 11 frames\nDataset: Moving/,
    );
    assert.match(shared.stderr, /^evaluating validation · step 1\/\d+$/m);
    const alone = await run("evaluate", [
      ...[...machine, "--split", "validation", "--thresholds", "0.2", "--json"],
    ], { cwd });
    assert.deepEqual(JSON.parse(shared.stdout), JSON.parse(alone.stdout));
    assertSentence(
      await run("evaluate", [...machine, "--workers", "5"], { cwd }),
      2,
      /^Wrong usage: Cannot share 4 shards among 5 workers: give --workers 4 or fewer/,
    );
    assert.equal(result.checkpoint, `${ended.run}/checkpoints/step-000003`);
    // The same error, for each frame in place of each pixel.
    const { frames, mse } = result.frames.pooled;
    assert.equal(frames, 4 * 10);
    assert.ok(Math.abs(mse / 32 / 32 - result.loss) < 1e-6 * result.loss);
    assert.match(evaluated.stderr, /^loss \(mse\) +[\d.e-]+ +[\d.e-]+$/m);
    const files: Uint8Array[] = [];
    for (const window of ["1", "5", "20"]) {
      const args = ["--run", result.checkpoint, "--window", window, "--out", `w${window}`];
      const predicted = await run("predict", [...machine, ...args, "--sequences", "1"], { cwd });
      assert.equal(predicted.code, 0, predicted.stderr);
      assert.match(predicted.stderr, /^test\/000000: frames 1-10 in w\d+\/test-000000\.npy$/m);
      files.push(await Deno.readFile(`${cwd}/w${window}/test-000000.npy`));
      assert.ok((await Deno.stat(`${cwd}/w${window}/test.png`)).size > 1000);
    }
    for (const file of files) assert.deepEqual(file, files[0]);
    const file = await openNpy(`${cwd}/w1/test-000000.npy`);
    assert.deepEqual(file.shape, [10, 32, 32, 1]);
    file.close();
    const wrong = await run("predict", ["--run", "nowhere"], { cwd });
    assertSentence(wrong, 2, /^Wrong usage: Cannot open nowhere: it holds no checkpoint; /);
  }),
});

Deno.test({
  name: "evaluate scores SEVIR at its published thresholds of 255",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    const sevir = new URL("../fixtures/datasets/sevir", import.meta.url).pathname;
    await trained([
      ...["--engine", engine, "--dataset", "sevir", "--data", sevir, "--filters", "2"],
      ...["--dataset-options", "rows=8,columns=8", "--lanes", "2", "--window", "12"],
      ...["--steps", "1", "--workers", "1"],
    ], { cwd });
    const { code, stdout, stderr } = await run("evaluate", ["--engine", engine, "--json"], { cwd });
    assert.equal(code, 0, stderr);
    const { events, csiMean } = JSON.parse(stdout).persistence.pooled;
    assert.deepEqual(
      events.map(({ threshold }: { threshold: number }) => threshold),
      [16, 74, 133, 160, 181, 219],
    );
    // 255 is missing, so nothing falls back to 0: missed are only thresholds that values rise through.
    assert.deepEqual(events.map(({ csi }: { csi: number }) => csi < 1), [
      ...[true, true, false, false, true, true],
    ]);
    assert.ok(csiMean > 0 && csiMean < 1);
    assert.match(stderr, /^mean +last frame repeated +0\.\d+$/m);
  }),
});

Deno.test({
  name: "evaluate takes the windows of a run whose windows overlap",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    const args = [
      ...["--engine", engine, "--model", "encoder-forecaster", "--size", "32", "--filters", "2"],
      ...["--input-frames", "3", "--output-frames", "3", "--stride", "1", "--lanes", "4"],
      ...["--sequence-frames", "11", "--sequences", "8", "--validation-sequences", "4"],
      ...["--test-sequences", "4", "--steps", "1", "--workers", "1"],
    ];
    const ended = await trained(args, { cwd });
    const flags = ["--engine", engine, "--split", "validation", "--json"];
    const { code, stdout, stderr } = await run("evaluate", flags, { cwd });
    assert.equal(code, 0, stderr);
    const result = JSON.parse(stdout);
    assert.equal(result.loss, ended.validationLoss);
    // Six windows of each sequence, of three predictions each.
    assert.equal(result.frames.pooled.frames, 4 * 6 * 3);
  }),
});

Deno.test({
  name: "a model of generated digits is tested on a whole file of them, on more digits and longer",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    const balls = ["--dataset", "bouncing-balls", "--lanes", "2", "--sequence-frames", "5"];
    await trained([
      ...["--engine", engine, ...balls, "--sequences", "2", "--validation-sequences", "1"],
      ...["--filters", "2", "--window", "4", "--steps", "1", "--workers", "1", "--out", "balls"],
    ], { cwd });
    await trained([...smallRun, "--steps", "1", "--workers", "1"], { cwd });
    // In the layout of the published mnist_test_seq.npy, frames first.
    const pixels = Uint8Array.from({ length: 20 * 6 * 32 * 32 }, (_, i) => i % 251);
    const file = "mnist_test_seq.npy";
    await Deno.writeFile(`${cwd}/${file}`, npyBytes({ shape: [20, 6, 32, 32], data: pixels }));
    const published = ["--engine", engine, "--data", file, "--dataset-options", "split=test"];
    const generated = [
      ...["--engine", engine, "--digits", "3", "--sequence-frames", "9", "--test-sequences", "7"],
    ];
    for (
      const [args, frames, data] of [
        [
          published,
          6 * 19,
          /6 sequences of 20 frames of 32x32x1 from .*mnist_test_seq\.npy, .*, all for test$/m,
        ],
        [generated, 7 * 8, /of 9 frames with 3 digits, generated from/],
      ] as const
    ) {
      const { code, stdout, stderr } = await run("evaluate", [...args, "--json"], { cwd });
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).frames.pooled.frames, frames);
      assert.match(stderr, data);
    }
    assertSentence(
      await run("evaluate", ["--engine", engine, "--data", file, "--run", "balls"], { cwd }),
      2,
      /^Wrong usage: --data mnist_test_seq\.npy does nothing with --dataset bouncing-balls/,
    );
    // Frames of one's own, as another dataset, of which the run's options are not asked.
    await Deno.writeFile(`${cwd}/own.npy`, npyBytes({ shape: [6, 20, 32, 32], data: pixels }));
    const own = ["--dataset", "npy", "--data", "own.npy", "--dataset-options", "split=test"];
    const { code, stdout, stderr } = await run(
      "evaluate",
      ["--engine", engine, ...own, "--workers", "2", "--json"],
      { cwd },
    );
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).frames.pooled.frames, 6 * 19);
    const args = [...published, "--sequences", "1"];
    const predicted = await run("predict", args, { cwd });
    assert.equal(predicted.code, 0, predicted.stderr);
    assert.match(predicted.stderr, /^test\/000000: frames 1-19 in /m);
    assertSentence(
      await run("evaluate", [...published, "--digits", "3"], { cwd }),
      2,
      /^Wrong usage: --digits 3 does nothing with --data .*mnist_test_seq\.npy, which holds whole/,
    );
    assertSentence(
      await run("evaluate", [...generated, "--split", "validation"], { cwd }),
      2,
      /^Wrong usage: --test-sequences 7 does nothing with --split validation/,
    );
    assertSentence(
      await run("evaluate", [...published, "--split", "validation"], { cwd }),
      1,
      /^Failed: Cannot plan an epoch: there are no sequences in this split; choose another split/,
    );
    assertSentence(
      await run("train", [...published, "--size", "32", "--workers", "1"], { cwd }),
      1,
      /^Failed: Worker "w0" \(.*\) failed: Cannot plan an epoch of the train split: there are no sequences/,
    );
  }),
});

Deno.test({
  name: "a network learns answers from a second file, which its workers may read",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    const shape = [10, 4, 16, 16];
    const classes = Uint8Array.from({ length: 10 * 4 * 256 }, (_, i) => Math.floor(i / 16) % 2);
    await Deno.writeFile(`${cwd}/classes.npy`, npyBytes({ shape, data: classes }));
    const data = classes.map((each) => 255 * each);
    await Deno.writeFile(`${cwd}/frames.npy`, npyBytes({ shape, data }));
    await trained([
      ...["--engine", engine, "--dataset", "npy", "--data", "frames.npy", "--steps", "2"],
      ...["--dataset-options", "targets=classes.npy,classes=2", "--model", "convlstm-unet"],
      ...["--model-options", "mode=supervised,output=softmax,filters=2,levels=2"],
      ...["--window", "2", "--lanes", "2", "--workers", "1"],
    ], { cwd });
    const [{ name }] = [...Deno.readDirSync(`${cwd}/runs`)];
    const picture = decode(
      await Deno.readFile(`${cwd}/runs/${name}/predictions/step-000002.png`),
    );
    const ball = new Uint8Array(categoryColour(0)).join();
    let ofClass = 0;
    for (let at = 0; at < picture.data.length; at += 3) {
      if (picture.data.slice(at, at + 3).join() === ball) ofClass++;
    }
    // Of four frames enlarged eight times, half of the truth is of the second class.
    assert.ok(ofClass > 4 * 256 * 64 / 2, `${ofClass} pixels in its colour`);
    const evaluated = await run("evaluate", ["--engine", engine, "--json"], { cwd });
    assert.equal(evaluated.code, 0, evaluated.stderr);
    const { names, confusion } = JSON.parse(evaluated.stdout).classes;
    assert.deepEqual(names, ["0", "1"]);
    // Half of the pixels of one sequence of four frames is of each class.
    assert.deepEqual(confusion.map(([one, two]: number[]) => one + two), [512, 512]);
    const predicted = await run("predict", ["--engine", engine, "--json"], { cwd });
    assert.equal(predicted.code, 0, predicted.stderr);
    assert.ok(JSON.parse(predicted.stdout).pictures.length > 0);
    // Its answers are numbers of its own classes.
    const other = ["--dataset-options", "classes=3"];
    assertSentence(
      await run("evaluate", ["--engine", engine, ...other], { cwd }),
      2,
      /^Wrong usage: Cannot use .* with this data: its classes are 0, 1, those of .* are 0, 1, 2; /,
    );
    // A network that predicts frames has nothing to do with them.
    await trained([
      ...["--engine", engine, "--dataset", "npy", "--data", "frames.npy", "--steps", "1"],
      ...["--dataset-options", "targets=classes.npy,classes=2", "--filters", "2"],
      ...["--window", "2", "--lanes", "2", "--workers", "1", "--out", "frames"],
    ], { cwd });
    const shown = await run("evaluate", ["--run", "frames", "--engine", engine, ...other], { cwd });
    assert.equal(shown.code, 0, shown.stderr);
  }),
});
