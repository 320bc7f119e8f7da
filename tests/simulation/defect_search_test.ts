import assert from "node:assert/strict";
import { broken, copyProgram, outcomeOf, searchDefect } from "./defect_search.ts";
import { type Defect, defects } from "./defects.ts";

Deno.test("every defect of the table can be made", async () => {
  const wrong: string[] = [];
  for (const defect of defects) {
    const source = await Deno.readTextFile(new URL(`../../${defect.file}`, import.meta.url));
    const count = source.split(defect.from).length - 1;
    if (count !== 1) wrong.push(`${defect.what}: ${count} times in ${defect.file}`);
    else assert.notEqual(broken(source, defect), source, defect.what);
  }
  assert.deepEqual(wrong, []);
  assert.equal(new Set(defects.map(({ what }) => what)).size, defects.length);
});

Deno.test("outcomeOf() takes a seed that does not end for found only where it else does soon", () => {
  const unended = { kind: "unended", seed: 5 } as const;
  const well = (seconds: number) => ({ kind: "well", seeds: 1, seconds }) as const;
  assert.deepEqual(outcomeOf(unended, well(0.2)), { kind: "hangs", seed: 5 });
  for (
    const undisturbed of [
      well(40),
      unended,
      { kind: "violated", seed: 5, violation: "it is broken by itself" } as const,
      { kind: "failed", why: "no seed fails" } as const,
      undefined,
    ]
  ) {
    assert.equal(outcomeOf(unended, undisturbed).kind, "error");
  }
  assert.equal(outcomeOf({ kind: "failed", why: "it does not load" }, undefined).kind, "error");
  assert.equal(outcomeOf({ ...well(1), seeds: 9 }, undefined).kind, "missed");
});

Deno.test("searchDefect() takes no program that does not load for a defect found", async () => {
  const copy = await copyProgram();
  const file = "worker/tally.ts";
  const from = "return lossSum / frames;";
  const made = (to: string, more: Partial<Defect> = {}): Defect => ({
    what: "nothing works",
    file,
    from,
    to,
    ...more,
  });
  try {
    const search = async (defect: Defect) => {
      const outcome = await searchDefect(copy, defect, 1);
      return outcome.kind === "error" ? outcome.why : outcome.kind;
    };
    assert.match(await search(made("", { from: "not there" })), /its text stands there 0 times/);
    assert.match(await search(made("return (;")), /no program: .*expected/i);
    assert.match(await search(made("return lossSums / frames;")), /no program: .*lossSums/);
    assert.equal(await search(made("throw new Error(`${lossSum} ${frames}`);")), "found");
    // It was mended each time.
    assert.equal(await search(made(from)), "missed");
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});
