import assert from "node:assert/strict";
import {
  aim,
  attackAt,
  attackedRunSteps,
  attacks,
  blockSteps,
  planAttack,
} from "../../benchmarks/attack_plan.ts";
import { chunkBytesMax, verbSamples } from "../../benchmarks/fuzz_decoders.ts";
import { createAllReduce } from "../../collective/all_reduce.ts";
import { workerPermissions } from "../../launch/broker_permissions.ts";
import { systemClock } from "../../net/clock.ts";
import { decode } from "../../net/codec.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import { messageBytesMax, runSubjects, type WorkerVerb } from "../../net/messages.ts";
import { random } from "../../net/random.ts";
import { subjectMatches } from "../../net/subjects.ts";

const members = ["w0", "w2", "w1"];
const generation = 5;
const { data } = runSubjects("hostile");

/** What the member "w1" makes of what "w2" sends it. */
function listener(onBadSender: () => void) {
  const broker = createMemoryBroker({ clock: systemClock });
  const allReduce = createAllReduce({
    transport: broker.connect(),
    subjectPrefix: data,
    rank: 2,
    members,
    generation,
    owners: [0, 1, 2],
    elements: 300,
    firstStep: 1,
    chunkBytesMax,
    timeoutMs: 60_000,
    clock: systemClock,
    onBadSender,
  });
  return { allReduce, attacker: broker.connect() };
}

Deno.test("attackAt() has every second block attacked, each by another member", () => {
  const steps = Array.from({ length: attackedRunSteps }, (_, index) => attackAt(index + 1));
  const expected = Array.from(
    { length: 2 * attacks },
    (_, block) =>
      Array.from({ length: blockSteps }, () => block % 2 === 1 ? (block - 1) / 2 : undefined),
  ).flat();
  assert.deepEqual(steps, expected);
  assert.equal(attackAt(attackedRunSteps + blockSteps + 1), undefined);
});

Deno.test("a hostile member's unwanted chunks are dropped, and its malformed ones get it excluded", async () => {
  const shots = planAttack(
    { run: "hostile", name: "w2", messages: 2000, target: { kind: "worker", name: "w1" } },
    random("attack"),
  );
  let accused = 0;
  const { allReduce, attacker } = listener(() => accused++);
  const mayPublish = workerPermissions("hostile", { user: "w2", names: ["w2"] }).publish.allow;
  const send = async (all: typeof shots.unwanted) => {
    for (const shot of all) {
      aim(shot, generation);
      const subject = shot.subject(members)!;
      assert.ok(mayPublish.some((pattern) => subjectMatches(pattern, subject)), subject);
      attacker.publish(subject, shot.data);
    }
    await attacker.flush();
  };
  await send(shots.unwanted);
  const { generation: late, ...others } = allReduce.dropped;
  assert.deepEqual([accused, others.malformed, others.sender], [0, 0, 0]);
  assert.ok(late > shots.unwanted.length / 2, `${late} of ${shots.unwanted.length}`);
  await send(shots.malformed);
  assert.equal(accused, 1);
  // Every one of them: those that are sent to it are malformed to it.
  assert.equal(allReduce.dropped.malformed, shots.malformed.length);
  assert.equal(shots.malformed[0].subject(["w0", "w2"]), undefined);
  allReduce.close();
});

Deno.test("a hostile member's malformed verbs are what the coordinator refuses", () => {
  const { malformed } = planAttack(
    { run: "hostile", name: "w2", messages: 1000, target: { kind: "coordinator" } },
    random("attack"),
  );
  const verbs = new Set<string>();
  for (const { subject, data } of malformed) {
    const verb = subject(members)!.split(".").at(-1)!;
    verbs.add(verb);
    const [schema] = verbSamples[verb as WorkerVerb];
    assert.throws(() => decode(data, schema, { bytesMax: messageBytesMax }), verb);
  }
  assert.deepEqual([...verbs].sort(), Object.keys(verbSamples).sort());
});
