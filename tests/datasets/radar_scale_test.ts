import assert from "node:assert/strict";
import {
  fmiRelation,
  hkoRelation,
  marshallPalmer,
  rainRateOfReflectivity,
  rainRateOfValue,
  reflectivityOfRainRate,
  reflectivityOfValue,
  shiRelation,
  valueOfRainRate,
  valueOfReflectivity,
} from "../../datasets/radar_scale.ts";

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.abs(expected), `${actual} != ${expected}`);
}

Deno.test("valueOfReflectivity() maps -10 to 60 dBZ onto [0, 1] and clamps", () => {
  assert.deepEqual([-Infinity, -32, -10, 25, 60, 95].map(valueOfReflectivity), [
    0,
    0,
    0,
    0.5,
    1,
    1,
  ]);
});

Deno.test("valueOfRainRate() takes 1 mm/h to 10 log10 a dBZ", () => {
  assertNear(reflectivityOfValue(valueOfRainRate(1, marshallPalmer)), 23.010299956639813);
  assertNear(reflectivityOfValue(valueOfRainRate(1, fmiRelation)), 23.483048630481607);
  // Ten times the rain is 10 b dB more.
  assertNear(reflectivityOfValue(valueOfRainRate(10, marshallPalmer)), 39.010299956639813);
});

Deno.test("rainRateOfValue() undoes valueOfRainRate(), and 0 is no rain", () => {
  assert.ok(Number.isNaN(rainRateOfValue(NaN, fmiRelation)), "not observed is not dry");
  for (const relation of [marshallPalmer, fmiRelation]) {
    assert.equal(valueOfRainRate(0, relation), 0);
    assert.equal(rainRateOfValue(0, relation), 0);
    for (const rate of [0.01, 0.12, 0.5, 2, 30, 100]) {
      assertNear(rainRateOfValue(valueOfRainRate(rate, relation), relation), rate);
    }
  }
});

Deno.test("rainRateOfReflectivity() and reflectivityOfRainRate() undo each other, for each relation", () => {
  // HKO-7's pixel_to_rainfall() of 0.5, which is 25 dBZ: 10^((25 - 10 log10 58.53) / 15.6).
  assertNear(rainRateOfReflectivity(25, hkoRelation), 2.9486902325960664);
  for (const relation of [marshallPalmer, fmiRelation, shiRelation, hkoRelation]) {
    assert.equal(rainRateOfReflectivity(-Infinity, relation), 0);
    assert.equal(reflectivityOfRainRate(0, relation), -Infinity);
    for (const dbz of [-10, 0, 23.5, 60]) {
      const back = reflectivityOfRainRate(rainRateOfReflectivity(dbz, relation), relation);
      assert.ok(Math.abs(back - dbz) < 1e-9, `${dbz} dBZ became ${back}`);
    }
  }
});
