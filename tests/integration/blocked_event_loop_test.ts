import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { natsServerMissing } from "../support/nats_server.ts";
import { withTinyCluster } from "../support/tiny_cluster.ts";
import { tinyRun, undisturbedTinyRun } from "../support/tiny_run.ts";

/** The run outlasts the block, so that the worker has something to come back to. */
const changed = {
  epochs: null,
  steps: 500,
  checkpointSteps: 100,
  membership: { ...tinyRun.membership, heartbeatMs: 100, silenceMsMax: 1_000 },
};
const blockMs = 2_000;

Deno.test({
  name: "a worker whose event loop is blocked is given up, and joins again when it moves",
  ignore: natsServerMissing,
  fn: () =>
    withTinyCluster(changed, async ({ broker, coordinator, login, told, startWorker }) => {
      startWorker("a", "here");
      startWorker("b", "here");
      const over = new AbortController();
      const blocked = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", "--config", fileURLToPath(new URL("../../deno.json", import.meta.url))],
          fileURLToPath(new URL("../support/blocking_worker.ts", import.meta.url)),
          ...[broker.url, "c", "20", `${blockMs}`],
        ],
        env: { LOCKSTEP_NATS_USER: login.user, LOCKSTEP_NATS_PASSWORD: login.password },
        stdout: "null",
        signal: over.signal,
      }).spawn();
      try {
        const end = await coordinator.ended;
        const wanted = await undisturbedTinyRun({ ...tinyRun, ...changed });
        assert.deepEqual([end.step, end.parametersSha256], [wanted.step, wanted.parametersSha256]);
        assert.equal(end.restarts, 1);
        assert.match(
          told[0],
          /^Lost worker "c": process \d+ was not heard of for [12]\.\d s; going on with 2$/,
        );
        assert.deepEqual(told.slice(1), ['Worker "c" joined; going on with 3']);
        assert.equal((await blocked.status).code, 0);
      } finally {
        over.abort();
        await blocked.status;
      }
    }),
});
