/** `--init`: a run that begins with the weights of another one. */
import assert from "node:assert/strict";
import { decodeSafetensors, encodeSafetensors } from "../../coordinator/safetensors.ts";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, inFolder, run, smallRun, trained } from "./command.ts";

const ignore = natsServerMissing;
const parametersOf = async (checkpoint: string) =>
  decodeSafetensors(await Deno.readFile(`${checkpoint}/parameters.safetensors`));
const sha256Of = async (checkpoint: string) =>
  JSON.parse(await Deno.readTextFile(`${checkpoint}/manifest.json`)).parametersSha256;

Deno.test({
  name:
    "--init begins with a run's weights under another rule, the same with any number of workers",
  ignore,
  fn: inFolder(async (cwd) => {
    await trained([...smallRun, "--steps", "4", "--out", "first"], { cwd });
    const rule = [
      "--learning-rate",
      "0.001",
      "--schedule",
      "cosine",
      "--loss",
      "mae",
      "--seed",
      "9",
    ];
    const second = [...smallRun, ...rule, "--steps", "3", "--init", "first"];
    const one = await trained([...second, "--workers", "1", "--out", "one"], { cwd });
    const two = await trained([...second, "--workers", "2", "--out", "two"], { cwd });
    assert.equal(one.parametersSha256, two.parametersSha256);
    const last = await sha256Of(`${cwd}/first/checkpoints/step-000004`);
    assert.equal(await sha256Of(`${cwd}/two/checkpoints/step-000000`), last);
    assert.notEqual(two.parametersSha256, last);
    // It is a run of its own by then: what it began with may be gone.
    await Deno.remove(`${cwd}/first`, { recursive: true });
    const resumed = await run("train", ["--resume", "--out", "two"], { cwd });
    assert.equal(resumed.code, 0, resumed.stderr);
  }),
});

Deno.test({
  name: "--init takes a file, tells what is missing and left over, and refuses what does not fit",
  ignore,
  fn: inFolder(async (cwd) => {
    await trained([...smallRun, "--steps", "2", "--out", "first"], { cwd });
    const all = await parametersOf(`${cwd}/first/checkpoints/step-000002`);
    const [missing, ...rest] = all;
    const extra = { name: "other/kernel", shape: [2], values: new Float32Array(2) };
    await Deno.writeFile(`${cwd}/part.safetensors`, encodeSafetensors([...rest, extra]));
    const args = [...smallRun, "--steps", "1", "--workers", "1", "--out", "part"];
    const part = await run("train", [...args, "--init", "part.safetensors"], { cwd });
    assert.equal(part.code, 0, part.stderr);
    assert.match(
      part.stderr,
      new RegExp(
        `Begins with ${rest.length} of ${all.length} weights of .*/part\\.safetensors; ` +
          `drawn anew: ${missing.name}; left over: other/kernel`,
      ),
    );
    const begun = await parametersOf(`${cwd}/part/checkpoints/step-000000`);
    assert.deepEqual(begun.slice(1), rest);
    const drawn = await trained([...smallRun, "--steps", "1", "--out", "drawn"], { cwd });
    assert.ok(drawn);
    assert.deepEqual(
      begun[0],
      (await parametersOf(`${cwd}/drawn/checkpoints/step-000000`))[0],
    );
    const refused = async (more: string[], code: number, pattern: RegExp) =>
      assertSentence(
        await run("train", [...args, ...more, "--out", "none"], { cwd }),
        code,
        pattern,
      );
    await refused(
      ["--init", "first", "--filters", "3"],
      1,
      /"layer0\/kernel" has shape .* there and /,
    );
    await refused(
      ["--init", "nowhere"],
      2,
      /^Wrong usage: Cannot use --init nowhere: it is neither/,
    );
    // Opened, it would be waited for without an end.
    const pipe = await new Deno.Command("mkfifo", { args: [`${cwd}/pipe.safetensors`] }).output();
    assert.ok(pipe.success);
    await refused(
      ["--init", "pipe.safetensors"],
      2,
      /^Wrong usage: Cannot use --init pipe\.safetensors: it is neither/,
    );
    const broken = all.map((array, index) =>
      index === 0 ? { ...array, values: array.values.map(() => NaN) } : array
    );
    await Deno.writeFile(`${cwd}/nan.safetensors`, encodeSafetensors(broken));
    await refused(
      ["--init", "nan.safetensors"],
      2,
      /"layer0\/kernel" holds a value that is not finite$/,
    );
    assertSentence(
      await run("train", ["--resume", "--out", "first", "--init", "part", "--steps", "9"], { cwd }),
      2,
      /^Wrong usage: Cannot use --init part with --resume: first has begun/,
    );
  }),
});
