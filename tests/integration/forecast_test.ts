/** `predict --forecast`: what nobody has seen, and the rollout's bits where the truth exists. */
import assert from "node:assert/strict";
import { openNpy } from "../../datasets/npy.ts";
import { npyBytes } from "../datasets/npy_bytes.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, engine, inFolder, run, trained } from "./command.ts";

const machine = ["--engine", engine];

/** Sequences of 12 frames of 12 x 12, and their first 7. */
function movingBars(frames: number): Uint8Array<ArrayBuffer> {
  const data = Uint8Array.from({ length: 10 * frames * 144 }, (_, i) => {
    const [sequence, frame] = [Math.floor(i / frames / 144), Math.floor(i / 144) % frames];
    return (i % 12 + sequence + frame) % 5 === 0 ? 255 : 0;
  });
  return npyBytes({ shape: [10, frames, 12, 12], data });
}

async function npyOf(path: string): Promise<{ shape: readonly number[]; bytes: Uint8Array }> {
  const file = await openNpy(path);
  const bytes = await file.read(0, file.shape.reduce((product, extent) => product * extent, 1));
  file.close();
  return { shape: file.shape, bytes };
}

async function predicted(args: readonly string[], cwd: string) {
  const ended = await run("predict", [...machine, ...args, "--json"], { cwd });
  assert.equal(ended.code, 0, ended.stderr);
  return { result: JSON.parse(ended.stdout), stderr: ended.stderr };
}

Deno.test({
  name: "predict --forecast goes on after the last frame, with the bits of the rollout",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    await Deno.writeFile(`${cwd}/whole.npy`, movingBars(12));
    await Deno.writeFile(`${cwd}/cut.npy`, movingBars(7));
    const training = ["--dataset", "npy", "--data", "whole.npy", "--steps", "3", "--window", "4"];
    await trained([...training, "--engine", engine, "--filters", "3", "--lanes", "4"], { cwd });
    const all = ["--dataset-options", "split=test", "--sequences", "2"];
    const rolled = await predicted(
      [...["--data", "whole.npy", ...all, "--rollout", "5", "--context", "7"]],
      cwd,
    );
    const future = await predicted(["--data", "cut.npy", ...all, "--forecast", "5"], cwd);
    assert.deepEqual(future.result.sequences[1].frames, [7, 8, 9, 10, 11]);
    assert.match(future.stderr, /^test\/000001: frames 7-11 in .*, not seen by anybody$/m);
    for (const index of [0, 1]) {
      const [one, two] = [rolled, future].map(({ result }) => result.sequences[index].path);
      const values = await npyOf(`${cwd}/${two}`);
      assert.deepEqual(values, await npyOf(`${cwd}/${one}`));
      assert.deepEqual(values.shape, [5, 12, 12, 1]);
    }
    // A second call lies beside the first.
    const [one, two] = [rolled, future].map(({ result }) => result.sequences[0].path);
    assert.equal(two.replace("-2/", "/"), one);
    for (const picture of future.result.pictures) {
      assert.ok((await Deno.stat(`${cwd}/${picture}`)).size > 300, picture);
    }
    assert.deepEqual(
      future.result.pictures.map((path: string) => path.split("/").at(-1)),
      ["test.png", ...[0, 1].flatMap((i) => [`test-00000${i}.png`, `test-00000${i}.gif`])],
    );
    // From the last 3 frames alone: another forecast.
    const short = await predicted(
      ["--data", "cut.npy", ...all, "--forecast", "5", "--context", "3", "--out", "short"],
      cwd,
    );
    assert.notDeepEqual(
      (await npyOf(`${cwd}/${short.result.sequences[0].path}`)).bytes,
      (await npyOf(`${cwd}/${two}`)).bytes,
    );
    const refused = async (args: readonly string[], sentence: RegExp) =>
      assertSentence(await run("predict", [...machine, ...args], { cwd }), 2, sentence);
    await refused(
      ["--data", "cut.npy", ...all, "--forecast", "5", "--out", "short"],
      /^Wrong usage: Cannot write predictions into short: it holds test-000000\.npy already; /,
    );
    await refused(
      ["--data", "cut.npy", ...all, "--forecast", "5", "--context", "8"],
      /^Wrong usage: Cannot forecast: none of 10 test sequences has the 8 frames .* longest has 7/,
    );
    await refused(
      ["--forecast", "5", "--rollout", "2"],
      /^Wrong usage: Cannot use --rollout with --forecast/,
    );
  }),
});

Deno.test({
  name: "predict --forecast refuses an autoencoder, and iterates a forecaster",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    await Deno.writeFile(`${cwd}/whole.npy`, movingBars(12));
    const training = ["--dataset", "npy", "--data", "whole.npy", "--steps", "2", "--lanes", "2"];
    const small = [...training, "--engine", engine, "--shards", "1"];
    await trained([
      ...[...small, "--model", "conv-autoencoder", "--out", "auto"],
    ], { cwd });
    assertSentence(
      await run("predict", [...machine, "--run", "auto", "--forecast", "2"], { cwd }),
      2,
      /^Wrong usage: Cannot use --forecast 2 with conv-autoencoder: it predicts no frames that come/,
    );
    await trained([
      ...[...small, "--model", "encoder-forecaster", "--filters", "2,2", "--out", "fore"],
      ...["--input-frames", "4", "--output-frames", "3"],
    ], { cwd });
    const { result } = await predicted(["--run", "fore", "--forecast", "7"], cwd);
    const { shape } = await npyOf(`${cwd}/${result.sequences[0].path}`);
    assert.deepEqual(shape, [7, 12, 12, 1]);
    assertSentence(
      await run("predict", [...machine, "--run", "fore", "--forecast", "2", "--context", "4"], {
        cwd,
      }),
      2,
      /^Wrong usage: Cannot use --context 4 with encoder-forecaster: it reads the last 4 frames/,
    );
  }),
});
