import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { findNatsServer, natsServerMissing } from "../support/nats_server.ts";
import { inFolder, library, smallRun, trained } from "./command.ts";

Deno.test({
  name:
    "a cluster goes on without a worker that it excluded, starts it once more, and ends in the same bits",
  ignore: natsServerMissing,
  fn: inFolder(async (cwd) => {
    const run = [...smallRun, "--sequences", "1000", "--steps", "120"];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--config", fileURLToPath(new URL("../../deno.json", import.meta.url))],
        fileURLToPath(new URL("../support/garbage_cluster.ts", import.meta.url)),
        ...[findNatsServer()!, `${cwd}/run`, "2", ...run, "--json"],
      ],
      env: library === undefined ? {} : { TF_LIBRARY: library.path },
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.equal(code, 0, said);
    const why = '"w0" got too many malformed gradients from it';
    assert.ok(said.includes(`Warning: "w1" is not heard any more: ${why}\n`), said);
    assert.ok(said.includes(`Lost worker "w1": ${why}; going on with 1\n`), said);
    const started = [...said.matchAll(/^Started (\S+)$/gm)].map(([, name]) => name);
    assert.deepEqual(started.toSorted(), ["coordinator", "w0", "w1", "w1-1"], said);
    const { parametersSha256, restarts } = JSON.parse(new TextDecoder().decode(stdout));
    const undisturbed = await trained([...run, "--workers", "1", "--out", "undisturbed"], { cwd });
    assert.equal(parametersSha256, undisturbed.parametersSha256);
    assert.equal(restarts, 1);
  }),
});
