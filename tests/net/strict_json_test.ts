import assert from "node:assert/strict";
import { parseJson } from "../../net/strict_json.ts";

Deno.test("parseJson reads what JSON.parse reads", () => {
  const texts = ["null", "-1.5e3", '"a\\"b:{[\\\\"', "[]", '{"a":{"b":[{"a":1},{"a":2}]},"b":"a"}'];
  for (const text of texts) assert.deepEqual(parseJson(text), JSON.parse(text), text);
  const deepest = "[".repeat(32) + "]".repeat(32);
  assert.deepEqual(parseJson(deepest), JSON.parse(deepest));
  for (const text of ["", "{", '{"a"}', "[1,]", '"\\x"', '{"\\x":1}', "]{"]) {
    assert.throws(() => parseJson(text), SyntaxError, text);
  }
});

Deno.test("parseJson refuses deep nesting before anything walks over it", () => {
  for (const open of ["[", '{"a":']) {
    for (const depth of [33, 1_000_000]) {
      assert.throws(() => parseJson(open.repeat(depth)), {
        name: "SyntaxError",
        message: "it nests deeper than 32",
      });
    }
  }
});

Deno.test("parseJson refuses two members of one name, however they are written", () => {
  for (const text of ['{"a":1,"a":1}', '{"b":{"a":1,"\\u0061":[]}}', '[{"":0,"":0}]']) {
    assert.throws(() => parseJson(text), { message: /^it has two members "a?"$/ });
  }
});
