import assert from "node:assert/strict";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, engine, inFolder, run, smallRun, trained } from "./command.ts";

const mod = new URL("../../mod.ts", import.meta.url).pathname;
const example = new URL("../../examples/residual_convolution.ts", import.meta.url);
/** Without the flags of convlstm. */
const flags = smallRun.filter((_, index) =>
  !["--filters"].includes(smallRun[index]) &&
  smallRun[index - 1] !== "--filters"
);

Deno.test({
  name: "train trains a module of one's own, to the same bits with any workers and after a resume",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    const source = await Deno.readTextFile(example);
    await Deno.writeTextFile(
      `${cwd}/mine.ts`,
      source.replace("../mod.ts", "./parts.ts"),
    );
    await Deno.writeTextFile(`${cwd}/parts.ts`, `export * from "${mod}";\n`);
    const own = ["--model", "./mine.ts"];
    const args = [...flags, ...own, "--model-options", "features=3"];
    const shas = [];
    for (const workers of ["1", "2"]) {
      const ended = await trained([...args, "--steps", "4", "--workers", workers], { cwd });
      assert.match(`${ended.run}`, /^runs\/moving-mnist-mine-00\d$/);
      shas.push(ended.parametersSha256);
    }
    const half = ["--steps", "2", "--workers", "2", "--out", "half"];
    await trained([...args, ...half], { cwd });
    // A run's folder may come from anybody: it alone has no code run.
    assertSentence(
      await run("train", ["--resume", "--steps", "4", "--out", "half"], { cwd }),
      2,
      /^Wrong usage: Cannot resume half: its model is the module .*; if you trust .*, add --model \/.*\/mine\.ts$/,
    );
    const resumed = ["--resume", "--steps", "4", "--workers", "1", "--out", "half", ...own];
    shas.push((await trained(resumed, { cwd })).parametersSha256);
    assert.equal(new Set(shas).size, 1);
    const record = JSON.parse(await Deno.readTextFile(`${cwd}/half/run.json`));
    assert.deepEqual(record.configuration.model.options, { features: 3 });
    assert.match(record.configuration.model.name, /^\/.*\/mine\.ts$/);
    assert.match(record.modelSource, /^[0-9a-f]{64}$/);
    assert.equal(record.configuration.model.source, record.modelSource);
    const manifest = await Deno.readTextFile(`${cwd}/half/checkpoints/step-000004/manifest.json`);
    assert.equal(JSON.parse(manifest).configuration.model.source, record.modelSource);
    const machine = ["--run", "half", "--engine", engine];
    for (const command of ["evaluate", "predict"] as const) {
      assertSentence(
        await run(command, machine, { cwd }),
        2,
        /^Wrong usage: Cannot open half\/.*: its model is the module .*, add --model /,
      );
    }
    const shared = await run("evaluate", [...machine, ...own, "--workers", "2"], { cwd });
    assert.equal(shared.code, 0, shared.stderr);
    // The same module elsewhere: what counts is its source.
    await Deno.mkdir(`${cwd}/moved`);
    for (const name of ["mine.ts", "parts.ts"]) {
      await Deno.copyFile(`${cwd}/${name}`, `${cwd}/moved/${name}`);
    }
    const moved = ["--resume", "--steps", "5", "--out", "half", "--model", "moved/mine.ts"];
    assert.equal((await trained(moved, { cwd })).steps, 5);
    const edited = `export * from "${mod}";\nDeno.writeTextFileSync("has-run", "");\n`;
    await Deno.writeTextFile(`${cwd}/parts.ts`, edited);
    assertSentence(
      await run("train", ["--resume", "--steps", "6", "--out", "half", ...own], { cwd }),
      1,
      /^Failed: Cannot resume half: the source of its model has changed since, SHA-256 \w+ then/,
    );
    assertSentence(
      await run("predict", [...machine, ...own], { cwd }),
      1,
      /^Failed: Cannot use --model .*mine\.ts: its source is not the one of the run, SHA-256 /,
    );
    await assert.rejects(Deno.stat(`${cwd}/has-run`), Deno.errors.NotFound);
    await Deno.writeTextFile(`${cwd}/parts.ts`, `export * from "${mod}";\n`);
    // A slip in the module is told by the worker that finds it.
    const wrong = source.replace("reshape(next, shape)", "reshape(next, [-1])");
    await Deno.writeTextFile(`${cwd}/mine.ts`, wrong.replace("../mod.ts", "./parts.ts"));
    assertSentence(
      await run("train", [...args, "--steps", "4", "--workers", "1"], { cwd }),
      1,
      /its apply gave predictions of shape \[\d+\], expected \[1,5,32,32,1\] for 1 lanes/,
    );
  }),
});
