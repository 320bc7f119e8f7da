import assert from "node:assert/strict";
import { mutated, mutationsOf } from "./mutations.ts";
import { chooseTests } from "./test_choice.ts";

/** Every way in which a source is changed. */
function changesOf(source: string): string[] {
  return mutationsOf("a.ts", source).map((mutation) => mutated(source, mutation));
}

Deno.test("mutationsOf() turns comparisons, conditions, constants and signs", () => {
  assert.deepEqual(changesOf("if (a < 2) b();"), [
    "if (!(a < 2)) b();",
    "if (a <= 2) b();",
    "if (a < 3) b();",
    "if (a < 1) b();",
    "if (a < 2) ;",
  ]);
  assert.deepEqual(changesOf("x = -a[i] + 0.5;"), [
    ";",
    "x = -a[i] - 0.5;",
    "x = a[i] + 0.5;",
    "x = -a[i + 1] + 0.5;",
    "x = -a[i] + 1;",
  ]);
});

Deno.test("mutationsOf() leaves out awaits and statements, and exchanges arguments", () => {
  assert.deepEqual(changesOf("await f(a, b);"), [";", "f(a, b);", "await f(b, a);"]);
  assert.deepEqual(changesOf("const c = all.some((x) => !x);"), [
    "const c = all.every((x) => !x);",
    "const c = all.some((x) => x);",
  ]);
});

Deno.test("mutationsOf() leaves alone what people and the compiler read", () => {
  const untouched = [
    'import { a } from "./a.ts";',
    "// a < b",
    "throw new RangeError(`${a + 1} of ${b - 1}`);",
    "type Pair = [1, 2];",
    "console.log(1 + 2);",
    "report.warn(1 + 2);",
  ];
  for (const source of untouched) assert.deepEqual(changesOf(source), [], source);
});

Deno.test("chooseTests() takes the nearest tests that reach a file, its namesake first", () => {
  const graph = new Map([
    ["tests/a/far_test.ts", ["b/x.ts"]],
    ["tests/a/near_test.ts", ["a/file.ts"]],
    ["tests/a/file_test.ts", ["b/x.ts"]],
    ["tests/a/other_test.ts", ["b/y.ts"]],
    ["b/x.ts", ["b/y.ts", "a/file.ts"]],
    ["a/file.ts", ["b/x.ts"]],
  ]);
  const tests = ["far", "near", "file", "other"].map((name) => `tests/a/${name}_test.ts`);
  assert.deepEqual(chooseTests("a/file.ts", tests, graph), [
    { test: "tests/a/file_test.ts", distance: 2 },
    { test: "tests/a/near_test.ts", distance: 1 },
    { test: "tests/a/far_test.ts", distance: 2 },
  ]);
});
