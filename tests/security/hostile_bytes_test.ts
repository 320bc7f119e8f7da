import assert from "node:assert/strict";
import { broken, createDecoders, fuzzDecoder } from "../../benchmarks/fuzz_decoders.ts";
import { vectorBytes } from "../../coordinator/checkpoint_vectors.ts";
import { systemClock } from "../../net/clock.ts";
import { random } from "../../net/random.ts";

Deno.test("every decoder takes or refuses whatever comes, with its own kind of error", async () => {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-fuzz-" });
  try {
    for (const decoder of createDecoders(folder)) {
      const { name } = decoder;
      for (const sample of decoder.samples) await decoder.decode(sample);
      const report = await fuzzDecoder(decoder, 1000, random("hostile", name), systemClock);
      assert.equal(report.crashes, 0, `${name}: ${report.example}`);
      assert.ok(report.refused > 500, `${name} refused ${report.refused} of 1000 broken inputs`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a broken manifest is read and not only told apart by its hash", async () => {
  const decoder = createDecoders("").find(({ name }) => name === "manifest's contents")!;
  const draws = random("hostile manifest");
  const refusals = new Set<string>();
  for (let count = 0; count < 1000; count++) {
    try {
      await decoder.decode(broken(decoder.samples[0], draws));
    } catch (error) {
      const { message } = error as Error;
      assert.doesNotMatch(message, /its own SHA-256/);
      refusals.add(message.replace(/: .*| has format version .*/s, "").replace(/ member .*/, ""));
    }
  }
  // Not only what is no JSON, but a member that is missing or none that there is.
  assert.ok(refusals.size > 5, [...refusals].join("\n"));
});

Deno.test("vectorBytes() knows the vectors of a run and no other", () => {
  const specs = {
    parameters: [{ name: "kernel", shape: [2, 3] }, { name: "bias", shape: [4] }],
    slots: ["adam/m", "adam/v"],
    states: [{ name: "hidden", shape: [5] }],
  };
  const bytes = (name: string) => vectorBytes(specs, 3, name);
  assert.deepEqual(["parameters", "slot/adam/m", "slot/adam/v"].map(bytes), [40, 40, 40]);
  assert.deepEqual(["lane/0", "lane/2"].map(bytes), [20, 20]);
  const others = [
    "lane/3",
    "lane/01",
    "lane/-1",
    "lane/",
    "lane/1/2",
    "slot/adam",
    "slot/",
    "",
    "x",
  ];
  for (const name of [...others, "parameters/", "lane/1e0", "__proto__"]) {
    assert.equal(bytes(name), undefined, name);
  }
});
