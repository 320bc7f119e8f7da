import assert from "node:assert/strict";
import { resolve } from "node:path";
import { modelFlag, namedModel } from "../../launch/named_model.ts";

const refused = (saved: string, named: string | undefined, message: string | RegExp) =>
  assert.throws(() => namedModel({ name: saved }, named, "open a"), {
    name: "UsageError",
    message,
  });

Deno.test("a module is opened where the user names it, and never because a run's folder does", () => {
  for (const name of ["/runs/a/mine.ts", "/runs/a/mine.js", "/runs/a/mine.mjs", "mine.ts"]) {
    refused(
      name,
      undefined,
      `Cannot open a: its model is the module ${name}, and what lies in a run's folder has no code ` +
        `run; if you trust that file, add --model ${name}`,
    );
  }
  assert.equal(namedModel({ name: "/a/mine.ts" }, "/a/mine.ts", "open a"), "/a/mine.ts");
  // It may lie elsewhere now.
  assert.equal(namedModel({ name: "/a/mine.ts" }, "b/mine.ts", "open a"), resolve("b/mine.ts"));
});

Deno.test("built-in models and layers are data, which a folder may name", () => {
  assert.equal(namedModel({ name: "convlstm" }, undefined, "open a"), "convlstm");
  assert.equal(namedModel({ name: "convlstm" }, "convlstm", "open a"), "convlstm");
  assert.equal(namedModel({ name: "/a/model.json" }, undefined, "open a"), "/a/model.json");
  assert.equal(namedModel({ name: "/a/model.json" }, "/b/model.json", "open a"), "/b/model.json");
});

Deno.test("--model names nothing but the run's own model", () => {
  const wrong = (named: string, saved: string, next: string) =>
    refused(saved, named, `Cannot open a with --model ${named}: its model is ${saved}; ${next}`);
  wrong("vae", "convlstm", "leave --model out");
  wrong("mine.ts", "convlstm", "leave --model out");
  wrong("mine.ts", "/a/model.json", "leave --model out");
  wrong("model.json", "/a/mine.ts", "name that file");
  wrong("convlstm", "/a/mine.ts", "name that file");
});

Deno.test("the flag that a sentence tells is one word for a shell, whatever the path holds", () => {
  assert.equal(modelFlag({ name: "convlstm" }), "");
  assert.equal(modelFlag({ name: "/a/model.json" }), "");
  assert.equal(modelFlag({ name: "/a/mine.ts" }), " --model /a/mine.ts");
  assert.equal(
    modelFlag({ name: "/a/x; echo 'y' $(z).ts" }),
    ` --model '/a/x; echo '\\''y'\\'' $(z).ts'`,
  );
});
