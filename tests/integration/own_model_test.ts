import assert from "node:assert/strict";
import { natsServerMissing } from "../support/nats_server.ts";
import { assertSentence, inFolder, run, smallRun, trained } from "./command.ts";

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
    const args = [...flags, "--model", "./mine.ts", "--model-options", "features=3"];
    const shas = [];
    for (const workers of ["1", "2"]) {
      const ended = await trained([...args, "--steps", "4", "--workers", workers], { cwd });
      assert.match(`${ended.run}`, /^runs\/moving-mnist-mine-00\d$/);
      shas.push(ended.parametersSha256);
    }
    const half = ["--steps", "2", "--workers", "2", "--out", "half"];
    await trained([...args, ...half], { cwd });
    const resumed = ["--resume", "--steps", "4", "--workers", "1", "--out", "half"];
    shas.push((await trained(resumed, { cwd })).parametersSha256);
    assert.equal(new Set(shas).size, 1);
    const record = JSON.parse(await Deno.readTextFile(`${cwd}/half/run.json`));
    assert.deepEqual(record.configuration.model.options, { features: 3 });
    assert.match(record.configuration.model.name, /^\/.*\/mine\.ts$/);
    assert.match(record.modelSource, /^[0-9a-f]{64}$/);
    await Deno.writeTextFile(`${cwd}/parts.ts`, `export * from "${mod}";\n// Edited.\n`);
    assertSentence(
      await run("train", ["--resume", "--steps", "6", "--out", "half"], { cwd }),
      1,
      /^Failed: Cannot resume half: the source of its model has changed since, SHA-256 \w+ then/,
    );
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
