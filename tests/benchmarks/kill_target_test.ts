import assert from "node:assert/strict";
import { judgeKills, nextStepMsMax, targetInWords } from "../../benchmarks/kill_target.ts";

Deno.test("judgeKills() goes by the 95th percentile of the kills that were timed", () => {
  const soon = Array.from({ length: 19 }, () => 200);
  assert.deepEqual(judgeKills([...soon, nextStepMsMax + 5_000, null]), {
    nextStepMsMax,
    kills: 20,
    nextStepP95Ms: 200,
    isMet: true,
  });
  assert.equal(judgeKills([...soon, 9_000, 9_000]).isMet, false);
  assert.equal(judgeKills([nextStepMsMax]).isMet, true);
  assert.equal(judgeKills([nextStepMsMax + 1]).isMet, false);
  const none = judgeKills([null]);
  assert.deepEqual([none.kills, none.nextStepP95Ms, none.isMet], [0, null, null]);
});

Deno.test("targetInWords() says met, missed or not measured", () => {
  assert.equal(
    targetInWords(judgeKills([310])),
    "Target met, the next step within 3 s of a worker's kill at the p95: 0.31 s over 1 kill",
  );
  assert.match(
    targetInWords(judgeKills([4_000, 4_200])),
    /^Target missed, .*: 4\.20 s over 2 kills$/,
  );
  assert.match(targetInWords(judgeKills([])), /^Target not measured, .*: no kill was timed$/);
});
