import assert from "node:assert/strict";
import { defaultRun } from "../../launch/run_flags.ts";
import { systemClock } from "../../net/clock.ts";
import { openRun } from "../../worker/open_run.ts";

Deno.test("openRun runs no module but the one that the coordinator's user has named", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const name = `${folder}/mine.ts`;
    const mark = `${folder}/has-run`;
    await Deno.writeTextFile(name, `Deno.writeTextFileSync("${mark}", "");`);
    const configuration = {
      ...defaultRun,
      engine: "wasm" as const,
      dataset: { ...defaultRun.dataset, name: "bouncing-balls" as const },
      model: { ...defaultRun.model, name, source: "0".repeat(64) },
    };
    await assert.rejects(openRun(configuration, systemClock), {
      name: "ModelError",
      message:
        /mine\.ts: its source is not the one of the run, SHA-256 000000000000 then and \w+ now/,
    });
    await assert.rejects(Deno.stat(mark), Deno.errors.NotFound);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
