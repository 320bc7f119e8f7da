import assert from "node:assert/strict";
import { minutesText, scanInterval, scanMinutes, scanRuns } from "../../datasets/scan_times.ts";

Deno.test("scanMinutes() finds the time of FMI's and KNMI's file names", () => {
  const fmi = scanMinutes("201609281445_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz", "");
  const knmi = scanMinutes("RAD_NL25_RAP_5min_201008260005.h5", "");
  assert.equal(minutesText(fmi), "2016-09-28T14:45");
  assert.equal(minutesText(knmi), "2010-08-26T00:05");
  assert.equal(scanMinutes("201609290000.pgm", "") - fmi, 9 * 60 + 15);
});

Deno.test("scanMinutes() rejects names without a time, and dates that do not exist", () => {
  for (const name of ["rain.h5", "20160928.h5", "201602301445.h5", "201609282460.h5"]) {
    assert.throws(
      () => scanMinutes(name, `data/${name}`),
      { name: "DatasetError", message: new RegExp(`"data/${name}": expected YYYYMMDDHHMM`) },
    );
  }
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
