import assert from "node:assert/strict";
import { createGathering } from "../../coordinator/gathering.ts";
import type { Message } from "../../net/transport.ts";

function message(name: string, answers: string[]): Message {
  const respond = (data: Uint8Array) => {
    answers.push(`${name}: ${new TextDecoder().decode(data)}`);
  };
  return { subject: "begin", data: new Uint8Array(0), respond };
}

Deno.test("createGathering gives everybody's values with the last one's, then starts anew", () => {
  const gathering = createGathering<number>(() => ["a", "b", "c"]);
  const messages = new Map(["a", "b", "c"].map((name) => [name, message(name, [])]));
  for (const round of [0, 10]) {
    assert.equal(gathering.add("b", messages.get("b")!, round + 2), undefined);
    assert.equal(gathering.add("a", messages.get("a")!, round + 1), undefined);
    const { values, messages: found } = gathering.add("c", messages.get("c")!, round + 3)!;
    assert.deepEqual([...values].sort((x, y) => x - y), [round + 1, round + 2, round + 3]);
    assert.deepEqual(new Set(found), new Set(messages.values()));
  }
});

Deno.test("createGathering counts each member once, with what it said last", () => {
  const gathering = createGathering<number>(() => ["a", "b"]);
  assert.equal(gathering.add("a", message("a", []), 1), undefined);
  assert.equal(gathering.add("a", message("a", []), 2), undefined);
  const { values } = gathering.add("b", message("b", []), 3)!;
  assert.deepEqual([...values].sort(), [2, 3]);
});

Deno.test("createGathering dismisses who waits once, and they count for nothing afterwards", () => {
  let members = ["a", "b"];
  const gathering = createGathering<number>(() => members);
  const answers: string[] = [];
  gathering.add("a", message("a", answers), 1);
  members = ["b", "c"];
  const over = (waiting: Message) => waiting.respond(new TextEncoder().encode("over"));
  gathering.dismiss(over);
  gathering.dismiss(over);
  assert.deepEqual(answers, ["a: over"]);
  assert.equal(gathering.add("b", message("b", answers), 2), undefined);
  assert.deepEqual(gathering.add("c", message("c", answers), 3)!.values, [2, 3]);
  assert.deepEqual(answers, ["a: over"]);
});

Deno.test("createGathering knows who waits, until all are there", () => {
  const gathering = createGathering<number>(() => ["a", "b", "c"]);
  gathering.add("a", message("a", []), 1);
  gathering.add("b", message("b", []), 2);
  assert.deepEqual(gathering.waiting(), ["a", "b"]);
  assert.deepEqual(gathering.waiting((value) => value > 1), ["b"]);
  gathering.add("c", message("c", []), 3);
  assert.deepEqual(gathering.waiting(), []);
});
