/** `evaluate` and `predict` on what is not plain video: anomalies, rollouts, latent points, classes. */
import assert from "node:assert/strict";
import { openNpy } from "../../datasets/npy.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, engine, inFolder, run, trained } from "./command.ts";

const machine = ["--engine", engine];
const short = [...machine, "--lanes", "4", "--steps", "2", "--workers", "1"];

async function ended(name: "evaluate" | "predict", args: string[], cwd: string) {
  const { code, stdout, stderr } = await run(name, [...machine, ...args, "--json"], { cwd });
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout);
  for (const picture of result.pictures) {
    assert.ok((await Deno.stat(`${cwd}/${picture}`)).size > 300, picture);
  }
  return { result, stderr };
}

async function shapeOf(path: string): Promise<readonly number[]> {
  const file = await openNpy(path);
  file.close();
  return file.shape;
}

Deno.test({
  name: "a next-frame network is judged by the events that its dataset tells of, and rolled out",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    const dataset = "anomalies=true,rows=32,columns=32,balls=2";
    await trained([
      ...[...short, "--dataset", "bouncing-balls", "--dataset-options", dataset, "--window", "4"],
      ...["--model", "convlstm-unet", "--model-options", "filters=2,levels=2"],
      ...["--sequence-frames", "13", "--sequences", "4", "--validation-sequences", "4"],
      ...["--test-sequences", "6"],
    ], { cwd });
    const { result, stderr } = await ended("evaluate", ["--rollout", "3"], cwd);
    const { anomalies, frames, rollout } = result;
    assert.equal(anomalies.frames, 6 * 12);
    assert.equal(frames.pooled.frames, 6 * 12);
    assert.equal(result.frameErrors.sequences[0].isEvent.length, 12);
    assert.ok(anomalies.events > 0 && anomalies.rocAuc >= 0 && anomalies.rocAuc <= 1);
    // Of 13 frames 4 are seen first, and three times 3 follow.
    assert.deepEqual(rollout.frames.leads.map((lead: { frames: number }) => lead.frames), [
      ...[18, 18, 18],
    ]);
    assert.deepEqual(
      result.pictures.map((path: string) => path.split("/").at(-1)),
      ["rollout-mse.png", "anomalies.png"],
    );
    assert.match(stderr, /^ROC AUC, model +[\d.]+$/m);
    const rolled = await ended("predict", ["--rollout", "3", "--sequences", "1"], cwd);
    const [{ frames: predicted, path }] = rolled.result.sequences;
    assert.deepEqual(predicted, [4, 5, 6]);
    assert.deepEqual(await shapeOf(`${cwd}/${path}`), [3, 32, 32, 1]);
    assert.deepEqual(
      rolled.result.pictures.map((path: string) => path.split("/").at(-1)),
      ["test.png", "test-000000.png", "test-000000.gif"],
    );
    assertSentence(
      await run("predict", [...machine, "--rollout", "20"], { cwd }),
      2,
      /^Wrong usage: Cannot predict: none of 6 test .* the 24 frames of --context and --rollout/,
    );
    assertSentence(
      await run("evaluate", [...machine, "--samples", "3"], { cwd }),
      2,
      /^Wrong usage: Cannot use --samples 3 with convlstm-unet: it takes no noise outside of training/,
    );
    assertSentence(
      await run("predict", [...machine, "--decode", "1,2"], { cwd }),
      2,
      /^Wrong usage: Cannot use --decode with convlstm-unet: it draws no single image/,
    );
  }),
});

Deno.test({
  name:
    "a next-frame network tells the error of each frame where no events are told of, of radar too",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    await trained([
      ...[...short, "--dataset", "radar", "--size", "32", "--window", "4"],
      ...["--model", "convlstm-unet", "--model-options", "filters=2,levels=2"],
      ...["--sequence-frames", "9", "--sequences", "4", "--validation-sequences", "4"],
      ...["--test-sequences", "5"],
    ], { cwd });
    const { result: { anomalies, frameErrors, pictures } } = await ended("evaluate", [], cwd);
    assert.equal(anomalies, undefined);
    const { sequences, ...counts } = frameErrors;
    assert.deepEqual(counts, { frames: 40, framesListed: 40, framesListedMax: 10_000 });
    assert.equal(sequences.length, 5);
    for (const { frames, errors, persistenceErrors } of sequences) {
      assert.deepEqual(frames, [1, 2, 3, 4, 5, 6, 7, 8]);
      assert.ok([...errors, ...persistenceErrors].every((error) => error >= 0));
    }
    assert.match(pictures.at(-1), /\/frame-errors\.png$/);
  }),
});

Deno.test({
  name: "an autoencoder's penalty, latent points and decoded images are shown",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    await trained([
      ...[...short, "--dataset", "bouncing-balls", "--dataset-options", "rows=32,columns=32"],
      ...["--model", "vae", "--model-options", "latent=3", "--window", "2"],
      ...["--sequence-frames", "4", "--sequences", "4", "--validation-sequences", "4"],
      ...["--test-sequences", "3"],
    ], { cwd });
    const { result, stderr } = await ended("evaluate", [], cwd);
    // The loss is the mean squared error and the divergence.
    const { loss, penalty, frames } = result;
    assert.ok(penalty > 0 && penalty < loss);
    assert.ok(Math.abs(loss - penalty - frames.pooled.mse / 32 / 32) < 1e-5 * loss);
    assert.match(stderr, /^… without \(mse\) +[\d.e-]+$/m);
    assert.match(result.pictures[0], /latent\.png$/);
    const several = await ended("evaluate", ["--samples", "3"], cwd);
    assert.ok(several.result.frames.pooled.crps > 0 && frames.pooled.crps === null);
    assert.equal(several.result.loss, loss);
    assert.match(several.stderr, /^CRPS for each pixel +[\d.e-]+$/m);
    const args = ["--decode=-1,0.5,2", "--decode-grid", "3", "--sequences", "1", "--out", "made"];
    const { result: { pictures } } = await ended("predict", args, cwd);
    assert.deepEqual(pictures.slice(-4), [
      ...["made/decoded.npy", "made/decoded.png", "made/decode-grid.npy", "made/decode-grid.png"],
    ]);
    assert.deepEqual(await shapeOf(`${cwd}/made/decoded.npy`), [1, 32, 32, 1]);
    assert.deepEqual(await shapeOf(`${cwd}/made/decode-grid.npy`), [9, 32, 32, 1]);
    assertSentence(
      await run("predict", [...machine, "--decode", "1,2", "--out", "none"], { cwd }),
      2,
      /^Wrong usage: Cannot decode 2 values: a latent point of this vae has 3; give as many/,
    );
    await assert.rejects(Deno.stat(`${cwd}/none`), Deno.errors.NotFound);
    assertSentence(
      await run("evaluate", [...machine, "--rollout", "2"], { cwd }),
      2,
      /^Wrong usage: Cannot use --rollout 2 with vae: only a network that predicts the next frame/,
    );
  }),
});
