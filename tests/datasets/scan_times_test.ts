import assert from "node:assert/strict";
import { minutesText, minutesTold, scanInterval, scanRuns } from "../../datasets/scan_times.ts";

for (
  const [name, ...expected] of [
    ["201609281445_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz", "2016-09-28T14:45"],
    ["RAD_NL25_RAP_5min_201008260005.h5", "2010-08-26T00:05"],
    ["T_PAAH21_C_EUOC_20240101120500.hdf", "2024-01-01T12:05"],
    ["OPERA@20240101T1205@0@DBZH.h5", "2024-01-01T12:05"],
    ["rad_20240101-1205.hd5", "2024-01-01T12:05"],
    ["composite_20240101_120500.h5", "2024-01-01T12:05"],
    ["310_20240101_120500.prcp-c5.h5", "2024-01-01T12:05"],
    ["2024-01-01T12:05:00Z.h5", "2024-01-01T12:05"],
    ["2024-01-01_12-05-00.h5", "2024-01-01T12:05"],
    ["2024-01-01T14:05+02:00.h5", "2024-01-01T12:05"],
    ["2024/01/01/1205.h5", "2024-01-01T12:05"],
    ["20240101/12/05.h5", "2024-01-01T12:05"],
    ["composite_202401011205_0.5km.h5", "2024-01-01T12:05"],
    ["202401011200_202401011205.h5", "2024-01-01T12:00", "2024-01-01T12:05"],
    ["202401011200_202401011200.h5", "2024-01-01T12:00"],
  ]
) {
  Deno.test(`minutesTold() finds the time of ${name}`, () => {
    assert.deepEqual(minutesTold(name).map(minutesText), expected);
  });
}

Deno.test("minutesTold() finds no time in names without one, nor dates that do not exist", () => {
  for (
    const name of [
      ...["rain.h5", "20160928.h5", "201602301445.h5", "201609282460.h5", "20240101_1200x800.h5"],
      ...["2024010112051.h5", "AQC123651205F.h5", "999912311200.h5", "20240101_120.h5"],
    ]
  ) assert.deepEqual(minutesTold(name), [], name);
});

Deno.test("scanInterval() is the commonest difference, whatever gaps and duplicates there are", () => {
  assert.equal(scanInterval([0, 5, 10, 40, 45, 45, 45, 45, 45]), 5);
  assert.equal(scanInterval([0, 15, 20]), 5);
  assert.equal(scanInterval([7]), 0);
});

Deno.test("scanRuns() ends a run at a missing scan, a duplicate and an unusable scan", () => {
  //             0  1  2   3   4   5   6   7   8   9   10
  const times = [0, 5, 10, 20, 25, 30, 30, 35, 40, 45, 50];
  const usable = (scan: number) => scan !== 8;
  assert.deepEqual(scanRuns(times, 5, usable), [
    { first: 0, end: 3 },
    { first: 3, end: 6 },
    { first: 6, end: 8 },
    { first: 9, end: 11 },
  ]);
  assert.deepEqual(scanRuns(times, 5, () => false), []);
  assert.deepEqual(scanRuns([0, 60, 61], 5, () => true), []);
});
