import assert from "node:assert/strict";
import { defaultRun } from "../../launch/run_flags.ts";
import { readRunConfiguration } from "../../net/configuration_schema.ts";

type Field = Record<string, unknown>;

/** The default run as JSON holds it, with one field set, or taken out where it is undefined. */
function changed(path: string, value: unknown): Field {
  const run = JSON.parse(JSON.stringify(defaultRun));
  const names = path.split(".");
  const last = names.pop()!;
  const part = names.reduce((part: Field, name) => part[name] as Field, run);
  if (value === undefined) delete part[last];
  else part[last] = value;
  return run;
}

Deno.test("readRunConfiguration takes what runs record, and gives what they meant", () => {
  assert.deepEqual(readRunConfiguration(JSON.parse(JSON.stringify(defaultRun)), "a"), defaultRun);
  const given: [string, unknown][] = [
    ["model.name", "/a/mine.ts"],
    ["model.name", "/a/model.json"],
    ["model.source", "0123456789abcdef".repeat(4)],
    ["model.options", { form: "conv2d", latent: 3, deep: true, filters: [3, 2] }],
    ["dataset.path", "/data"],
    ["loss", "mae"],
    ["optimizer.clipNorm", 0.5],
    ["windowStride", 3],
  ];
  for (const [path, value] of given) {
    const run = changed(path, value);
    assert.deepEqual(readRunConfiguration(run, "a"), run, path);
  }
});

Deno.test("readRunConfiguration fills in what runs did not have yet", () => {
  for (
    const path of ["model.options", "dataset.options", "windowStride", "shuffle", "imageSteps"]
  ) {
    assert.deepEqual(readRunConfiguration(changed(path, undefined), "a"), defaultRun, path);
  }
});

Deno.test("readRunConfiguration names the file and the field of a wrong type, in one sentence", () => {
  const fields = (part: object, before = ""): string[] =>
    Object.entries(part).flatMap(([name, value]) =>
      name !== "options" && typeof value === "object" && value !== null && !Array.isArray(value)
        ? fields(value, `${before}${name}.`)
        : [`${before}${name}`]
    );
  const all = fields(defaultRun);
  assert.ok(all.length > 40);
  for (const path of [...all, "dataset", "model", "optimizer", "membership", "model.source"]) {
    // Of no field is this a value.
    for (const value of [{ toString: 1, nested: {} }, "\u0000", [[]], -1.5e300, ""]) {
      if (path.startsWith("optimizer.") && typeof value === "number") continue;
      if (path.endsWith(".options") && !Array.isArray(value) && typeof value === "object") continue;
      assert.throws(() => readRunConfiguration(changed(path, value), "a/manifest.json"), {
        name: "ConfigurationError",
        message:
          /^a\/manifest\.json holds an unusable configuration.*; mend it, or use the version/,
      }, `${path} ${JSON.stringify(value)}`);
    }
  }
  const wrong: [string, unknown, string][] = [
    ["lanes", "a", 'lanes: expected an integer, got "a"'],
    ["model.name", "constructor", 'model.name: expected "convlstm" or '],
    ["model.name", "/a/\u001b[2Jmine.ts", "model.name: expected a string like "],
    ["model.source", "cafe", "model.source: expected a string like "],
    ["model.filters", [3, null], "model.filters[1]: expected an integer, got null"],
    ["model.options", { latent: { deep: 1 } }, "model.options.latent: expected a finite number"],
    ["dataset.path", 7, "dataset.path: expected a string, got 7"],
    ["membership", null, "membership: expected an object, got null"],
    // Of a version that knows more than this one: not quietly left out.
    ["model.dropout", 0.1, 'model: unknown field "dropout"'],
  ];
  for (const [path, value, told] of wrong) {
    assert.throws(() => readRunConfiguration(changed(path, value), "a"), (error: Error) => {
      assert.ok(error.message.startsWith(`a holds an unusable configuration.${told}`), `${error}`);
      return true;
    });
  }
  for (const value of [undefined, null, [], "a", 7]) {
    assert.throws(() => readRunConfiguration(value, "a"), { name: "ConfigurationError" });
  }
});

Deno.test("readRunConfiguration refuses fields that contradict each other", () => {
  assert.throws(() => readRunConfiguration(changed("shards", 5), "a"), {
    name: "ConfigurationError",
    message: /^a holds a configuration that contradicts itself: Cannot cut 12 lanes into 5 equal/,
  });
});
