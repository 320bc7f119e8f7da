import assert from "node:assert/strict";
import { OwedCredits } from "../../collective/owed_credits.ts";

/** In which of `turns` turns rank 1 is asked. */
function turnsAsked(owed: OwedCredits, turns: number, isAwaited = () => true): number[] {
  return Array.from({ length: turns }, (_, turn) => turn + 1).filter(() => {
    owed.askTheSilent((rank) => rank === 1 && isAwaited());
    const next = owed.next();
    assert.equal(owed.next(), undefined);
    return next?.asks === true;
  });
}

const create = () => new OwedCredits({ rank: 0, worldSize: 3, windowBytes: 4000 });

Deno.test("a rank that is silent is asked less and less often, and never no more", () => {
  assert.deepEqual(turnsAsked(create(), 40), [1, 3, 7, 15, 23, 31, 39]);
});

Deno.test("a rank that was heard, or was not awaited, is asked at the next silent turn", () => {
  const owed = create();
  turnsAsked(owed, 20);
  owed.noteChunk(1, 1, 10);
  // The turn in which it was heard, then those of a new silence.
  assert.deepEqual(turnsAsked(owed, 5), [2, 4]);
  assert.deepEqual(turnsAsked(owed, 5, () => false), []);
  assert.deepEqual(turnsAsked(owed, 5), [1, 3]);
});

Deno.test("an answer without a chunk does not make up for the silence", () => {
  const owed = create();
  assert.deepEqual(turnsAsked(owed, 3), [1, 3]);
  owed.noteCredit(1, 0, false);
  assert.deepEqual(turnsAsked(owed, 12), [4, 12]);
});
