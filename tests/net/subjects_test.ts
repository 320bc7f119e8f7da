import assert from "node:assert/strict";
import { isPublishSubject, isSubscribeSubject, subjectMatches } from "../../net/subjects.ts";

Deno.test("subjectMatches() follows NATS: * is one token, > is one or more at the end", () => {
  const table: [string, string, boolean][] = [
    ["a.b", "a.b", true],
    ["a.b", "a.c", false],
    ["a.b", "a", false],
    ["a", "a.b", false],
    ["a.*", "a.b", true],
    ["a.*", "a", false],
    ["a.*", "a.b.c", false],
    ["*.*", "a.b", true],
    ["*.b", "a.b", true],
    ["a.*.c", "a.b.c", true],
    [">", "a", true],
    [">", "a.b.c", true],
    ["a.>", "a.b.c", true],
    ["a.>", "a", false],
    ["a.*.>", "a.b", false],
    ["a.*.>", "a.b.c", true],
  ];
  for (const [pattern, subject, expected] of table) {
    assert.equal(subjectMatches(pattern, subject), expected, `${pattern} ${subject}`);
  }
});

Deno.test("isPublishSubject() and isSubscribeSubject() refuse what a server would drop", () => {
  for (const subject of ["a", "a.b", "run-1.reduce.0", "$SYS.x"]) {
    assert.ok(isPublishSubject(subject) && isSubscribeSubject(subject), subject);
  }
  for (const pattern of ["*", ">", "a.*", "a.*.c", "a.>"]) {
    assert.ok(isSubscribeSubject(pattern) && !isPublishSubject(pattern), pattern);
  }
  for (const subject of ["", ".", "a.", ".a", "a..b", "a b", "a\n", "x".repeat(1025)]) {
    assert.ok(!isPublishSubject(subject) && !isSubscribeSubject(subject), subject.slice(0, 9));
  }
});
