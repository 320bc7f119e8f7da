/** A member of the generation that sends garbage among its gradients, on a real nats-server. */
import assert from "node:assert/strict";
import { natsServerMissing } from "../support/nats_server.ts";
import { type Garbage, garbageSender } from "../support/garbage_sender.ts";
import { tinyRun, undisturbedTinyRun } from "../support/tiny_run.ts";
import { tinyRunName, withTinyCluster } from "../support/tiny_cluster.ts";

const ignore = natsServerMissing;
const configuration = { ...tinyRun, epochs: null, steps: 60, workers: 3 };

/** "w1" sends garbage; the others end the run with the bits that it has without it. */
async function excludesSender(to: Garbage["to"], accusers: string): Promise<void> {
  await withTinyCluster(configuration, async ({ coordinator, startWorker, told, path }) => {
    const garbage = { run: tinyRunName, from: "w1", to, after: 50 };
    // One after the other, so that each has the rank of its number.
    await startWorker("w0", "process of w0").joined;
    const bad = startWorker("w1", "process of w1", (data) => garbageSender(data, garbage));
    await bad.joined;
    startWorker("w2", "process of w2");
    const end = await coordinator.ended;
    const undisturbed = await undisturbedTinyRun(configuration);
    assert.equal(end.parametersSha256, undisturbed.parametersSha256);
    assert.equal(end.restarts, 1);
    const why = told[0].slice('"w1" is not heard any more: '.length);
    assert.match(why, new RegExp(`^"${accusers}" got too many malformed gradients from it$`));
    assert.deepEqual(told, [
      `"w1" is not heard any more: ${why}`,
      `Lost worker "w1": ${why}; going on with 2`,
    ]);
    await assert.rejects(bad.ended, { message: `The coordinator refused: ${why}` });
    const journal = (await Deno.readTextFile(`${path}/journal.jsonl`)).trimEnd().split("\n");
    const dropped = journal.map((line) => JSON.parse(line).dropped).filter(Boolean);
    assert.deepEqual(dropped, [told[0]]);
  });
}

Deno.test({
  name: "a member that sends everybody malformed gradients is excluded; the run ends in its bits",
  ignore,
  fn: () => excludesSender("everybody", "w[02]"),
});

Deno.test({
  name: "a member that sends one other malformed gradients is excluded just so",
  ignore,
  fn: () => excludesSender(2, "w2"),
});
